/* The groups of suites that make up test-pki, one per file. */
#ifndef FERRULE_TESTS_PKI_SUITES_H
#define FERRULE_TESTS_PKI_SUITES_H

#include <CUnit/CUnit.h>

extern CU_SuiteInfo clients_suites[];
extern CU_SuiteInfo enroll_suites[];
extern CU_SuiteInfo methods_suites[];
extern CU_SuiteInfo operator_suites[];
extern CU_SuiteInfo hostile_suites[];
extern CU_SuiteInfo survival_suites[];

#endif
