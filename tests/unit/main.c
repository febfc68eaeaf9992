/* test-unit [WORD…]: everything that needs no server, on no network. */
#include "pki/fetch.h"
#include "tests/suite.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
#define GROUPS(x) \
	x(config_suites) \
	x(http_request_suites) \
	x(http_response_suites) \
	x(http_body_suites) \
	x(http_forward_suites) \
	x(http_policy_suites) \
	x(auth_suites) \
	x(static_file_suites) \
	x(pki_suites) \
	x(pki_anchors_suites) \
	x(pki_request_suites) \
	x(pki_issued_suites) \
	x(pki_enroll_suites) \
	x(pki_scep_suites) \
	x(pki_est_suites) \
	x(pki_fetch_suites) \
	x(ktls_schedule_suites) \
	x(ktls_record_suites) \
	x(ktls_session_suites) \
	x(ktls_control_suites) \
	x(ktls_tickets_suites) \
	x(ktls_kernel_suites) \
	x(ktls_names_suites) \
	x(ktls_client_auth_suites) \
	x(ktls_suites_suites) \
	x(proxy_suites) \
	x(trustpoint_suites) \
	x(show_suites) \
	x(debug_suites)
/* clang-format on */

#define DECLARE(suites) extern CU_SuiteInfo suites[];
GROUPS(DECLARE)

int main(int argc, char **argv)
{
#define LIST(suites) suites,
	CU_SuiteInfo *const groups[] = {GROUPS(LIST) NULL};

	/* The tests of pki_fetch() have this program do what ferrule does for it. */
	if (argc == 2 && strcmp(argv[1], PKI_FETCH_HELPER) == 0)
		return pki_fetch_helper();
	return suite_main("unit", groups, argc, argv);
}
