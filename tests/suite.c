#include "tests/suite.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_selected(const char *suite, const char *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(suite, argv[i]) || strstr(test, argv[i]))
			return 1;
	return argc < 2;
}

/* Registers a suite with the selected ones of its tests, if there are any. */
static void add_suite(const CU_SuiteInfo *info, int argc, char **argv)
{
	CU_pSuite suite = NULL;
	for (const CU_TestInfo *test = info->pTests; test && test->pName; test++) {
		if (!is_selected(info->pName, test->pName, argc, argv))
			continue;
		if (!suite)
			suite = CU_add_suite_with_setup_and_teardown(info->pName, info->pInitFunc,
				info->pCleanupFunc, info->pSetUpFunc, info->pTearDownFunc);
		if (!suite || !CU_add_test(suite, test->pName, test->pTestFunc)) {
			fprintf(stderr, "%s: %s\n", info->pName, CU_get_error_msg());
			exit(1);
		}
	}
}

static void append_summary(const char *title, unsigned run, unsigned failed)
{
	const char *path = getenv("FERRULE_TEST_SUMMARY");
	FILE *out = path ? fopen(path, "a") : NULL;
	if (!out)
		return;
	fprintf(out, "%s %u %u\n", title, run, failed);
	fclose(out);
}

int suite_main(const char *title, CU_SuiteInfo *const groups[], int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	for (size_t i = 0; groups[i]; i++)
		for (const CU_SuiteInfo *info = groups[i]; info->pName; info++)
			add_suite(info, argc, argv);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	/* Returns CUE_SUCCESS with failing tests: the counters tell. */
	CU_ErrorCode error = CU_basic_run_tests();
	unsigned run = CU_get_number_of_tests_run();
	unsigned failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
	append_summary(title, run, failed);
	CU_cleanup_registry();
	return error == CUE_SUCCESS && run > 0 && failed == 0 ? 0 : 1;
}
