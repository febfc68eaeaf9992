/* Runs groups of CUnit suites and turns their outcome into an exit status. */
#ifndef FERRULE_TESTS_SUITE_H
#define FERRULE_TESTS_SUITE_H

#include <CUnit/CUnit.h>

/*
 * Runs every suite of every group (both arrays end with NULL entries). With
 * words in argv only suites or tests whose name contains one of them run.
 * Returns 0 when at least one test ran and none failed. When the environment has
 * FERRULE_TEST_SUMMARY, "TITLE RUN FAILED" is appended to that file.
 */
int suite_main(const char *title, CU_SuiteInfo *const groups[], int argc, char **argv);

#endif
