/*
 * test-pki [WORD…]: the device's identity, from outside: `ferrule pki …` and `ferrule run`
 * against real CA servers and against tests/pki/responder, which independent clients judge
 * first. Everything happens in a network namespace of its own. The binary's path comes from
 * $FERRULE.
 */
#include "tests/pki/namespace.h"
#include "tests/pki/suites.h"
#include "tests/suite.h"

#include <stddef.h>
#include <stdlib.h>

#define EXIT_SKIPPED 77

int main(int argc, char **argv)
{
	CU_SuiteInfo *const groups[] = {clients_suites, enroll_suites, methods_suites,
		operator_suites, hostile_suites, survival_suites, NULL};
	const char *ci = getenv("CI");

	if (!namespace_enter())
		return ci != NULL ? 1 : EXIT_SKIPPED;
	return suite_main("pki", groups, argc, argv);
}
