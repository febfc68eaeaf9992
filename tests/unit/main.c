/* test-unit [WORD…]: everything that needs no server, on no network. */
#include "tests/suite.h"

#include <stddef.h>

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
	x(show_suites) \
	x(debug_suites)
/* clang-format on */

#define DECLARE(suites) extern CU_SuiteInfo suites[];
GROUPS(DECLARE)

int main(int argc, char **argv)
{
#define LIST(suites) suites,
	CU_SuiteInfo *const groups[] = {GROUPS(LIST) NULL};

	return suite_main("unit", groups, argc, argv);
}
