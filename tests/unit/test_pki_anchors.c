/* Trust anchors from a file: what is taken, refused, warned about, and noticed. */
#include "pki/pki.h"
#include "tests/unit/certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <CUnit/CUnit.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY (24 * 60 * 60L)

static char path[64];

static void file_open(void)
{
	strcpy(path, "/tmp/ferrule-anchors.XXXXXX");
	int fd = mkstemp(path);
	CU_ASSERT(fd >= 0);
	close(fd);
}

static void file_close(void)
{
	unlink(path);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	ERR_clear_error();
}

static void write_text(const char *how, const char *text)
{
	FILE *file = fopen(path, how);
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void write_certificate(const struct made *made)
{
	FILE *file = fopen(path, "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	PEM_write_X509(file, made->certificate);
	fclose(file);
}

static struct pki_anchors *load(void)
{
	struct pki_error error = {""};
	struct pki_anchors *anchors = NULL;
	CU_ASSERT_EQUAL(pki_anchors_load(path, &anchors, &error), 0);
	CU_ASSERT_STRING_EQUAL(error.text, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(anchors);
	return anchors;
}

/* File, reason and cure. */
static void refuse(const char *reason)
{
	struct pki_error error = {""};
	struct pki_anchors *anchors = NULL;
	CU_ASSERT_EQUAL(pki_anchors_load(path, &anchors, &error), -1);
	CU_ASSERT_PTR_NULL(anchors);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, path));
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, reason));
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "ca_file"));
	if (!strstr(error.text, reason))
		fprintf(stderr, "no \"%s\" in: %s\n", reason, error.text);
}

static bool verifies(const struct pki_anchors *anchors, const struct made *made)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE_CTX_init(ctx, pki_anchors_store(anchors), made->certificate, NULL);
	bool is_good = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return is_good;
}

/* Comments and keys between do no harm, twice the same is one. */
static void test_load(void)
{
	struct made one = make_ca("one"), two = make_ca("two"), three = make_ca("three");
	struct made leaf = make_leaf("leaf", &two), stranger = make_leaf("stranger", &three);
	write_text("w", "Our CAs\n");
	write_certificate(&one);
	write_text("a", "\nand the other one:\n");
	write_certificate(&two);
	write_certificate(&one);
	struct pki_anchors *anchors = load();
	CU_ASSERT_EQUAL(pki_anchors_count(anchors), 2);
	CU_ASSERT_PTR_NULL(pki_anchors_warning(anchors));
	CU_ASSERT(verifies(anchors, &one));
	CU_ASSERT(verifies(anchors, &leaf));
	CU_ASSERT_FALSE(verifies(anchors, &stranger));
	/* whoever took a reference keeps the store */
	X509_STORE *store = pki_anchors_store(anchors);
	X509_STORE_up_ref(store);
	pki_anchors_free(anchors);
	CU_ASSERT_EQUAL(sk_X509_OBJECT_num(X509_STORE_get0_objects(store)), 2);
	X509_STORE_free(store);
	made_done(&one);
	made_done(&two);
	made_done(&three);
	made_done(&leaf);
	made_done(&stranger);
}

static void test_refused(void)
{
	struct made one = make_ca("one");
	refuse("holds no certificate in PEM form");
	write_text("w", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	refuse("certificate number 1 cannot be read");
	write_text("w", "");
	write_certificate(&one);
	write_text("a", "-----BEGIN CERTIFICATE-----\n");
	refuse("certificate number 2 cannot be read");
	unlink(path);
	refuse("No such file");
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	refuse("not a regular file");
	rmdir(path);
	pki_anchors_free(NULL);
	made_done(&one);
}

static void test_warnings(void)
{
	struct made old = make(
		&(struct made_as){.cn = "old", .is_ca = true, .from = -2 * DAY, .to = -DAY}, NULL);
	struct made new = make(
		&(struct made_as){.cn = "new", .is_ca = true, .from = DAY, .to = 2 * DAY}, NULL);
	struct made good = make_ca("good");
	write_certificate(&old);
	write_certificate(&good);
	write_certificate(&new);
	struct pki_anchors *anchors = load();
	const char *warning = pki_anchors_warning(anchors);
	CU_ASSERT_EQUAL(pki_anchors_count(anchors), 3);
	CU_ASSERT_PTR_NOT_NULL_FATAL(warning);
	CU_ASSERT_PTR_NOT_NULL(strstr(warning, "the trust anchor CN=old expired on 2"));
	CU_ASSERT_PTR_NOT_NULL(strstr(warning, "; the trust anchor CN=new is not valid before 2"));
	CU_ASSERT_PTR_NULL(strstr(warning, "good"));
	pki_anchors_free(anchors);
	made_done(&old);
	made_done(&new);
	made_done(&good);
}

static void test_stale(void)
{
	struct made one = make_ca("one"), two = make_ca("two");
	write_certificate(&one);
	struct pki_anchors *anchors = load();
	CU_ASSERT_FALSE(pki_anchors_is_stale(anchors));
	write_certificate(&two);
	CU_ASSERT(pki_anchors_is_stale(anchors));
	pki_anchors_free(anchors);
	anchors = load();
	CU_ASSERT_FALSE(pki_anchors_is_stale(anchors));
	unlink(path);
	CU_ASSERT(pki_anchors_is_stale(anchors));
	pki_anchors_free(anchors);
	made_done(&one);
	made_done(&two);
}

static CU_TestInfo anchor_tests[] = {
	{"load", test_load},
	{"refused", test_refused},
	{"warnings", test_warnings},
	{"stale", test_stale},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo pki_anchors_suites[];
CU_SuiteInfo pki_anchors_suites[] = {
	{"pki anchors", NULL, NULL, file_open, file_close, anchor_tests},
	CU_SUITE_INFO_NULL,
};
