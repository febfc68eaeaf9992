/* The groups of suites that make up test-e2e, one per file. */
#ifndef FERRULE_TESTS_E2E_SUITES_H
#define FERRULE_TESTS_E2E_SUITES_H

#include <CUnit/CUnit.h>

extern CU_SuiteInfo handshake_suites[];
extern CU_SuiteInfo transfer_suites[];
extern CU_SuiteInfo records_suites[];
extern CU_SuiteInfo limits_suites[];
extern CU_SuiteInfo failures_suites[];
extern CU_SuiteInfo files_suites[];
extern CU_SuiteInfo reload_suites[];
extern CU_SuiteInfo offload_suites[];
extern CU_SuiteInfo http_suites[];
extern CU_SuiteInfo http_refused_suites[];
extern CU_SuiteInfo http_faults_suites[];
extern CU_SuiteInfo http_limits_suites[];
extern CU_SuiteInfo backend_limit_suites[];
extern CU_SuiteInfo forward_suites[];
extern CU_SuiteInfo policy_suites[];
extern CU_SuiteInfo display_suites[];
extern CU_SuiteInfo differential_suites[];
extern CU_SuiteInfo clients_suites[];
extern CU_SuiteInfo slow_suites[];

#endif
