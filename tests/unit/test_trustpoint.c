/* proxy/: a configuration's trustpoints as pki/ gets them. */
#include "config/conf.h"
#include "config/parse.h"
#include "proxy/trustpoint.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

extern CU_SuiteInfo trustpoint_suites[];

static struct conf *parse(const char *text)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_parse("/test.conf", text, &errors);
	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "unexpected: %s\n", errors.lines[i]);
	conf_errors_clear(&errors);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	return conf;
}

static const char text[] =
	"state_directory = \"/tmp/none\"; hostname = \"router1\"; domain_name = \"example.com\";\n"
	"servers = ( { name = \"web\"; backend = \"127.0.0.1:8080\"; } );\n"
	"trustpool = \"/etc/pool.pem\";\n"
	"trustpoints = ( { name = \"TP1\"; enrollment: { method = \"scep\"; url = "
	"\"http://ca/scep\";"
	" http_proxy = \"http://proxy:1\"; retry_count = 7; retry_period = 2; source_interface = "
	"\"eth0\"; ra = true; legacy_des = true; }; fingerprint = "
	"\"12EF53FA 355CD23E 12EF53FA 355CD23E 12EF53FA\"; subject_name = \"CN=x\"; fqdn = \"a.b\";"
	" ip_address = \"192.0.2.1\"; hash = \"sha512\"; key: { bits = 3072; label = \"K\"; "
	"exportable "
	"= true; usage = \"usage-keys\"; }; subject_alt_name = [ \"c.d\" ]; },\n"
	"{ name = \"TP2\"; enrollment: { method = \"profile\"; profile = \"E\"; }; },\n"
	"{ name = \"TP3\"; enrollment: { method = \"pem\"; }; files: { certificate = \"/c\"; key = "
	"\"/k\"; chain = \"/h\"; ca = \"/a\"; }; } );\n"
	"enrollment_profiles = ( { name = \"E\"; enrollment: { url = \"http://ca\"; command = "
	"\"GET /\"; "
	"}; credential = \"TP1\"; parameters = ( \"v\", { prompt = \"p\"; } ); } );\n";

static void test_fields(void)
{
	struct conf *conf = parse(text);
	struct trustpoints all;
	CU_ASSERT_EQUAL(trustpoints_init(&all, conf), 0);
	CU_ASSERT_EQUAL(all.count, 3);
	const struct pki_trustpoint *one = trustpoints_find(&all, "TP1");
	CU_ASSERT_PTR_NOT_NULL_FATAL(one);
	CU_ASSERT_EQUAL(one->method, PKI_METHOD_SCEP);
	CU_ASSERT_STRING_EQUAL(one->url, "http://ca/scep");
	CU_ASSERT_STRING_EQUAL(one->http_proxy, "http://proxy:1");
	CU_ASSERT_EQUAL(one->retry_count, 7);
	CU_ASSERT_EQUAL(one->retry_period, 2);
	CU_ASSERT_STRING_EQUAL(one->source_interface, "eth0");
	CU_ASSERT(one->ra && one->legacy_des && one->key_exportable);
	CU_ASSERT_STRING_EQUAL(one->subject_name, "CN=x");
	CU_ASSERT_STRING_EQUAL(one->fqdn, "a.b");
	CU_ASSERT_STRING_EQUAL(one->ip_address, "192.0.2.1");
	CU_ASSERT_PTR_NULL(one->serial_number);
	CU_ASSERT_EQUAL(one->hash, PKI_HASH_SHA512);
	CU_ASSERT_EQUAL(one->key_type, PKI_KEY_RSA);
	CU_ASSERT_EQUAL(one->bits, 3072);
	CU_ASSERT_STRING_EQUAL(one->key_label, "K");
	CU_ASSERT_EQUAL(one->usage, PKI_USAGE_KEYS);
	CU_ASSERT_EQUAL(one->alt_name_count, 1);
	CU_ASSERT_STRING_EQUAL(one->hostname, "router1");
	CU_ASSERT_PTR_NULL(one->profile);
	trustpoints_done(&all);
	conf_free(conf);
}

static void test_profiles(void)
{
	struct conf *conf = parse(text);
	struct trustpoints all;
	CU_ASSERT_EQUAL(trustpoints_init(&all, conf), 0);
	const struct pki_trustpoint *two = trustpoints_find(&all, "TP2");
	CU_ASSERT_PTR_NOT_NULL_FATAL(two->profile);
	CU_ASSERT_STRING_EQUAL(two->profile->name, "E");
	CU_ASSERT_STRING_EQUAL(two->profile->enrollment.command, "GET /");
	CU_ASSERT_PTR_NULL(two->profile->authentication.url);
	CU_ASSERT_PTR_EQUAL(two->profile->credential, trustpoints_find(&all, "TP1"));
	CU_ASSERT_STRING_EQUAL(two->profile->parameters[0].value, "v");
	CU_ASSERT_STRING_EQUAL(two->profile->parameters[1].prompt, "p");
	CU_ASSERT_PTR_NULL(two->profile->parameters[2].value);
	trustpoints_done(&all);
	conf_free(conf);
}

static void test_files_and_pool(void)
{
	struct conf *conf = parse(text);
	struct trustpoints all;
	struct pki_trustpoint fallback;
	CU_ASSERT_EQUAL(trustpoints_init(&all, conf), 0);
	const struct pki_trustpoint *three = trustpoints_find(&all, "TP3");
	CU_ASSERT_STRING_EQUAL(three->certificate_file, "/c");
	CU_ASSERT_STRING_EQUAL(three->key_file, "/k");
	CU_ASSERT_STRING_EQUAL(three->chain_file, "/h");
	CU_ASSERT_STRING_EQUAL(three->ca_file, "/a");
	const struct pki_trustpoint *pool = trustpoints_find(&all, "trustpool");
	CU_ASSERT_EQUAL(pool->method, PKI_METHOD_PEM);
	CU_ASSERT_STRING_EQUAL(pool->ca_file, "/etc/pool.pem");
	CU_ASSERT_PTR_NULL(trustpoints_find(&all, "TP4"));
	trustpoint_fill(conf, NULL, &fallback);
	CU_ASSERT_STRING_EQUAL(fallback.name, SELFSIGNED_NAME);
	CU_ASSERT_EQUAL(fallback.method, PKI_METHOD_SELFSIGNED);
	trustpoints_done(&all);
	conf_free(conf);
}

static CU_TestInfo tests[] = {
	{"every field", test_fields},
	{"enrollment profiles", test_profiles},
	{"files and the trust pool", test_files_and_pool},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo trustpoint_suites[] = {
	{"trustpoints", NULL, NULL, NULL, NULL, tests},
	CU_SUITE_INFO_NULL,
};
