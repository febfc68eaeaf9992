/* test-unit [WORD…]: everything that needs no server, on no network. */
#include "tests/suite.h"

#include <stddef.h>

extern CU_SuiteInfo config_suites[], http_request_suites[], static_file_suites[], pki_suites[],
	ktls_schedule_suites[], ktls_record_suites[], ktls_session_suites[], ktls_control_suites[],
	ktls_tickets_suites[], ktls_kernel_suites[], proxy_suites[];

int main(int argc, char **argv)
{
	CU_SuiteInfo *const groups[] = {config_suites, http_request_suites, static_file_suites,
		pki_suites, ktls_schedule_suites, ktls_record_suites, ktls_session_suites,
		ktls_control_suites, ktls_tickets_suites, ktls_kernel_suites, proxy_suites, NULL};

	return suite_main("unit", groups, argc, argv);
}
