/*
 * test-e2e [WORD…]: ferrule from the outside, on loopback. The binary's path
 * comes from $FERRULE. FERRULE_KTLS=1 says that this kernel has TLS and that it
 * must be used; FERRULE_REKEY=1 that it takes new keys as well.
 */
#include "tests/e2e/slow_client.h"
#include "tests/e2e/suites.h"
#include "tests/suite.h"

#include <stddef.h>
#include <string.h>

int main(int argc, char **argv)
{
	CU_SuiteInfo *const groups[] = {handshake_suites, transfer_suites, records_suites,
		limits_suites, failures_suites, files_suites, reload_suites, offload_suites,
		http_suites, http_faults_suites, http_refused_suites, http_limits_suites,
		backend_limit_suites, forward_suites, policy_suites, display_suites, clients_suites,
		slow_suites, differential_suites, NULL};

	if (argc == 5 && strcmp(argv[1], "--slow-client") == 0)
		return slow_client_main(argv[2], argv[3], argv[4]);
	return suite_main("end to end", groups, argc, argv);
}
