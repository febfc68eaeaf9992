/*
 * pki/: the persistent self-signed certificate, what survives failures and
 * crashes, and trustpoints from PEM files. Linked with
 * -Wl,--wrap=openat,--wrap=mkdirat,--wrap=write,--wrap=fsync
 * -Wl,--wrap=symlinkat,--wrap=renameat,--wrap=unlinkat,--wrap=readlinkat
 * -Wl,--wrap=flock,--wrap=time; without a test that arms them the wraps do nothing.
 */
#include "pki/pki.h"
#include "pki/pending.h"
#include "pki/store.h"
#include "tests/unit/clock.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern CU_SuiteInfo pki_suites[];

#define DAY           (24 * 60 * 60)
#define FILE_SIZE_MAX (64 * 1024)
#define CRASHED       77

/* ---- the seam to the kernel -------------------------------------------- */

enum call {
	CALL_OPENAT,
	CALL_MKDIRAT,
	CALL_WRITE,
	CALL_FSYNC,
	CALL_SYMLINKAT,
	CALL_RENAMEAT,
	CALL_UNLINKAT,
	CALL_READLINKAT,
	CALL_FLOCK,
	CALL_ANY, /* and the number of those above */
};

static const char *const call_names[] = {"openat", "mkdirat", "write", "fsync", "symlinkat",
	"renameat", "unlinkat", "readlinkat", "flock", "any call"};

/* Zero: every wrapped call goes through. */
static struct {
	bool armed;
	enum call call; /* this one fails (or crashes) ... */
	int at;         /* ... at this occurrence, counted from 1 */
	int error;
	bool crash;
	int seen;
	bool happened;
	bool piecemeal; /* write() takes one byte, after an EINTR each */
	char trace[2048];
} seam;

int __real_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);
int __real_mkdirat(int directory, const char *path, mode_t mode);
int __wrap_mkdirat(int directory, const char *path, mode_t mode);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_symlinkat(const char *target, int directory, const char *path);
int __wrap_symlinkat(const char *target, int directory, const char *path);
int __real_renameat(int from, const char *path, int to, const char *target);
int __wrap_renameat(int from, const char *path, int to, const char *target);
int __real_unlinkat(int directory, const char *path, int flags);
int __wrap_unlinkat(int directory, const char *path, int flags);
ssize_t __real_readlinkat(int directory, const char *path, char *buf, size_t size);
ssize_t __wrap_readlinkat(int directory, const char *path, char *buf, size_t size);
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

static bool seam_strikes(enum call call)
{
	if (!seam.armed || (seam.call != call && seam.call != CALL_ANY) || ++seam.seen != seam.at)
		return false;
	if (seam.crash)
		_exit(CRASHED);
	seam.happened = true;
	errno = seam.error;
	return true;
}

static void seam_trace(const char *call, const char *path)
{
	size_t used = strlen(seam.trace);
	if (seam.armed)
		snprintf(seam.trace + used, sizeof seam.trace - used, "%s %s\n", call, path);
}

static void seam_trace_fd(const char *call, int fd)
{
	char link[64], path[4096] = "";
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof path - 1) > 0)
		seam_trace(call, basename(path));
}

int __wrap_openat(int directory, const char *path, int flags, ...)
{
	mode_t mode = 0;
	if (flags & O_CREAT) {
		va_list arguments;
		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
		seam_trace("create", path);
	}
	return seam_strikes(CALL_OPENAT) ? -1 : __real_openat(directory, path, flags, mode);
}

int __wrap_mkdirat(int directory, const char *path, mode_t mode)
{
	seam_trace("mkdirat", path);
	return seam_strikes(CALL_MKDIRAT) ? -1 : __real_mkdirat(directory, path, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (seam_strikes(CALL_WRITE))
		return -1;
	if (!seam.piecemeal)
		return __real_write(fd, data, len);
	static bool interrupted;
	interrupted = !interrupted;
	errno = EINTR;
	return interrupted ? -1 : __real_write(fd, data, 1);
}

int __wrap_fsync(int fd)
{
	if (seam.armed)
		seam_trace_fd("fsync", fd);
	return seam_strikes(CALL_FSYNC) ? -1 : __real_fsync(fd);
}

int __wrap_symlinkat(const char *target, int directory, const char *path)
{
	seam_trace("symlinkat", path);
	return seam_strikes(CALL_SYMLINKAT) ? -1 : __real_symlinkat(target, directory, path);
}

int __wrap_renameat(int from, const char *path, int to, const char *target)
{
	seam_trace("renameat", target);
	return seam_strikes(CALL_RENAMEAT) ? -1 : __real_renameat(from, path, to, target);
}

int __wrap_unlinkat(int directory, const char *path, int flags)
{
	return seam_strikes(CALL_UNLINKAT) ? -1 : __real_unlinkat(directory, path, flags);
}

ssize_t __wrap_readlinkat(int directory, const char *path, char *buf, size_t size)
{
	return seam_strikes(CALL_READLINKAT) ? -1 : __real_readlinkat(directory, path, buf, size);
}

int __wrap_flock(int fd, int operation)
{
	return seam_strikes(CALL_FLOCK) ? -1 : __real_flock(fd, operation);
}

static void seam_arm(enum call call, int at, int error)
{
	memset(&seam, 0, sizeof seam);
	seam.call = call;
	seam.at = at;
	seam.error = error;
	seam.armed = true;
}

/* ---- help --------------------------------------------------------------- */

static char scratch[64]; /* of one test; also its state directory */

static void scratch_open(void)
{
	memset(&seam, 0, sizeof seam);
	strcpy(scratch, "/tmp/ferrule-pki.XXXXXX");
	CU_ASSERT_PTR_NOT_NULL(mkdtemp(scratch));
}

static int scratch_remove(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

static void scratch_close(void)
{
	clock_offset = 0;
	nftw(scratch, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
	/* Whatever a test did, libssl must not find its errors (SSL_get_error(3)). */
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	ERR_clear_error();
}

static const char *scratch_path(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
	return path;
}

static struct pki_trustpoint device(const char *hostname)
{
	return (struct pki_trustpoint){
		.name = "TP",
		.state_directory = scratch,
		.method = PKI_METHOD_SELFSIGNED,
		.key_type = PKI_KEY_EC,
		.curve = "P-256",
		.bits = 2048,
		.hostname = hostname,
		.domain_name = "example.com",
	};
}

static struct pki_identity *load(const struct pki_trustpoint *trustpoint)
{
	struct pki_error error = {""};
	struct pki_identity *identity = NULL;
	int result = pki_identity_load(trustpoint, false, &identity, &error);
	if (result)
		fprintf(stderr, "unexpected: %s\n", error.text);
	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(identity);
	return identity;
}

/* The failure's text must hold every one of the words, which end with NULL. */
static void refuse(const struct pki_trustpoint *trustpoint, ...)
{
	struct pki_error error = {""};
	struct pki_identity *identity = NULL;
	CU_ASSERT_EQUAL(pki_identity_load(trustpoint, false, &identity, &error), -1);
	CU_ASSERT_PTR_NULL(identity);
	pki_identity_unref(identity);
	va_list words;
	va_start(words, trustpoint);
	const char *word;
	while ((word = va_arg(words, const char *)))
		if (!strstr(error.text, word)) {
			fprintf(stderr, "no \"%s\" in: %s\n", word, error.text);
			CU_FAIL("another text than expected");
		}
	va_end(words);
}

/* Loads it, tells whether this made a new certificate, and lets go. */
static bool is_remade(const struct pki_trustpoint *trustpoint)
{
	struct pki_identity *identity = load(trustpoint);
	bool made = pki_identity_is_new(identity);
	pki_identity_unref(identity);
	return made;
}

struct content {
	size_t len;
	char data[FILE_SIZE_MAX];
};

static bool content_read(const char *path, struct content *content)
{
	FILE *file = fopen(path, "r");
	content->len = file ? fread(content->data, 1, sizeof content->data, file) : 0;
	if (file)
		fclose(file);
	return file;
}

static void content_write(const char *path, const char *data, size_t len)
{
	FILE *file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(data, 1, len, file), len);
	fclose(file);
}

#define STORE_KEY         "trustpoints/TP/current/key.pem"
#define STORE_CERTIFICATE "trustpoints/TP/current/certificate.pem"

/* Both files of the current generation, byte by byte. */
struct kept {
	struct content key, certificate;
};

static struct kept kept_read(void)
{
	struct kept kept;
	CU_ASSERT(content_read(scratch_path(STORE_KEY), &kept.key));
	CU_ASSERT(content_read(scratch_path(STORE_CERTIFICATE), &kept.certificate));
	return kept;
}

static bool content_equal(const struct content *left, const struct content *right)
{
	return left->len == right->len && memcmp(left->data, right->data, left->len) == 0;
}

static bool kept_is(const struct kept *then)
{
	struct kept now = kept_read();
	return content_equal(&now.key, &then->key) &&
	       content_equal(&now.certificate, &then->certificate);
}

static mode_t mode_of(const char *name)
{
	struct stat status = {0};
	CU_ASSERT_EQUAL(stat(scratch_path(name), &status), 0);
	return status.st_mode & 07777;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The names in a directory, sorted, each followed by a space. */
static const char *listing(const char *name)
{
	static char text[1024];
	char *names[64];
	size_t count = 0;
	text[0] = '\0';
	DIR *directory = opendir(scratch_path(name));
	CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
	const struct dirent *entry;
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && count < 64)
			names[count++] = strdup(entry->d_name);
	closedir(directory);
	qsort(names, count, sizeof *names, by_name);
	for (size_t i = 0; i < count; i++) {
		strcat(strcat(text, names[i]), " ");
		free(names[i]);
	}
	return text;
}

/* ---- the certificate itself --------------------------------------------- */

static bool verifies_as_its_own_anchor(X509 *certificate)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE_add_cert(store, certificate);
	X509_STORE_CTX_init(ctx, store, certificate, NULL);
	X509_STORE_CTX_set_default(ctx, "ssl_server");
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx),
		X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
	bool verified = X509_verify_cert(ctx) == 1;
	if (!verified)
		fprintf(stderr, "verify: %s\n",
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return verified;
}

static long days_between(const ASN1_TIME *from, const ASN1_TIME *to)
{
	int days = 0, seconds = 0;
	CU_ASSERT_EQUAL(ASN1_TIME_diff(&days, &seconds, from, to), 1);
	return days;
}

static void test_certificate_profile(void)
{
	struct pki_trustpoint trustpoint = device("Router1");
	struct pki_identity *identity = load(&trustpoint);
	X509 *certificate = pki_identity_certificate(identity);
	char name[64] = "";

	CU_ASSERT_EQUAL(X509_get_version(certificate), X509_VERSION_3);
	X509_NAME_get_text_by_NID(
		X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
	CU_ASSERT_STRING_EQUAL(name, "router1.example.com");
	CU_ASSERT_EQUAL(X509_NAME_cmp(X509_get_subject_name(certificate),
				X509_get_issuer_name(certificate)),
		0);
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	CU_ASSERT(!BN_is_negative(serial));
	CU_ASSERT(BN_num_bits(serial) >= 64 && BN_num_bits(serial) < 160);
	BN_free(serial);

	CU_ASSERT_EQUAL(X509_get_extension_flags(certificate) & EXFLAG_CA, 0);
	CU_ASSERT(X509_get_extension_flags(certificate) & EXFLAG_BCONS);
	CU_ASSERT_EQUAL(X509_get_key_usage(certificate), KU_DIGITAL_SIGNATURE);
	CU_ASSERT_EQUAL(X509_get_extended_key_usage(certificate), XKU_SSL_SERVER);
	CU_ASSERT_PTR_NOT_NULL(X509_get0_subject_key_id(certificate));
	CU_ASSERT(verifies_as_its_own_anchor(certificate));

	const ASN1_TIME *start = X509_get0_notBefore(certificate);
	CU_ASSERT_EQUAL(ASN1_TIME_cmp_time_t(start, time(NULL) - DAY + 60), -1);
	CU_ASSERT_EQUAL(ASN1_TIME_cmp_time_t(start, time(NULL) - DAY - 60), 1);
	CU_ASSERT_EQUAL(days_between(start, X509_get0_notAfter(certificate)), 3651);
	CU_ASSERT_PTR_NOT_NULL(pki_identity_chain(identity));
	CU_ASSERT_EQUAL(sk_X509_num(pki_identity_chain(identity)), 0);
	CU_ASSERT_PTR_NULL(pki_identity_warning(identity));
	CU_ASSERT(pki_identity_is_new(identity));
	pki_identity_unref(identity);
}

static int alt_count(X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	return count;
}

static void test_certificate_names(void)
{
	static const char *const alts[] = {
		"www.example.net", "WWW.example.NET", "192.0.2.7", "2001:db8::7", "*.example.org"};
	struct pki_trustpoint trustpoint = device("router1");
	trustpoint.alt_names = alts;
	trustpoint.alt_name_count = sizeof alts / sizeof *alts;
	struct pki_identity *identity = load(&trustpoint);
	X509 *certificate = pki_identity_certificate(identity);

	CU_ASSERT_EQUAL(X509_check_host(certificate, "router1", 0, 0, NULL), 1);
	CU_ASSERT_EQUAL(X509_check_host(certificate, "router1.example.com", 0, 0, NULL), 1);
	CU_ASSERT_EQUAL(X509_check_host(certificate, "www.example.net", 0, 0, NULL), 1);
	CU_ASSERT_EQUAL(X509_check_host(certificate, "any.example.org", 0, 0, NULL), 1);
	CU_ASSERT_EQUAL(X509_check_ip_asc(certificate, "192.0.2.7", 0), 1);
	CU_ASSERT_EQUAL(X509_check_ip_asc(certificate, "2001:db8:0::7", 0), 1);
	CU_ASSERT_EQUAL(X509_check_host(certificate, "localhost", 0, 0, NULL), 0);
	CU_ASSERT_EQUAL(X509_check_host(certificate, "192.0.2.7", 0, 0, NULL), 0);
	CU_ASSERT_EQUAL(alt_count(certificate), 6);
	pki_identity_unref(identity);
}

static void test_certificate_of_a_complete_host_name(void)
{
	struct pki_trustpoint trustpoint = device("router1.example.com");
	struct pki_identity *identity = load(&trustpoint);
	X509 *certificate = pki_identity_certificate(identity);

	CU_ASSERT_EQUAL(X509_check_host(certificate, "router1.example.com", 0, 0, NULL), 1);
	CU_ASSERT_EQUAL(alt_count(certificate), 1);
	pki_identity_unref(identity);
}

/* A common name ends at 64 characters (RFC 5280 A.1), a DNS name does not. */
static void test_certificate_of_a_long_name(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	trustpoint.domain_name = "a-department-with-a-rather-long-name.a-company-with-one.example";
	struct pki_identity *identity = load(&trustpoint);
	X509 *certificate = pki_identity_certificate(identity);
	char full[128];

	snprintf(full, sizeof full, "router1.%s", trustpoint.domain_name);
	CU_ASSERT_EQUAL(X509_check_host(certificate, full, 0, 0, NULL), 1);
	CU_ASSERT_EQUAL(X509_check_host(certificate, "router1", 0, 0, NULL), 1);
	pki_identity_unref(identity);
	CU_ASSERT(!is_remade(&trustpoint));
}

static void test_refused_names(void)
{
	static const char *const wrong[] = {"", "a..b", ".a", "a.", "a b", "192.0.2.300", "*", "*.",
		"a.*.b", "r\xc3\xb6uter", "[2001:db8::1]", "fe80::1%eth0", "https://a",
		"a-label-of-sixty-four-characters-is-one-longer-than-is-permitted"};
	struct pki_trustpoint trustpoint = device("router1");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		trustpoint.alt_names = &wrong[i];
		trustpoint.alt_name_count = 1;
		refuse(&trustpoint, "subject_alt_name", wrong[i], NULL);
	}
	trustpoint = device("(none)");
	refuse(&trustpoint, "hostname", "(none)", NULL);
	trustpoint = device("router1");
	trustpoint.domain_name = "exa mple";
	refuse(&trustpoint, "domain_name", "exa mple", NULL);
	CU_ASSERT_STRING_EQUAL(listing("."), "");
}

static void test_key_types(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	CU_ASSERT(is_remade(&trustpoint));
	trustpoint.curve = "P-384";
	CU_ASSERT(is_remade(&trustpoint));
	CU_ASSERT(!is_remade(&trustpoint));
	trustpoint.key_type = PKI_KEY_RSA;
	CU_ASSERT(is_remade(&trustpoint));
	CU_ASSERT(!is_remade(&trustpoint));
	trustpoint.bits = 3072;
	struct pki_identity *identity = load(&trustpoint);
	CU_ASSERT(pki_identity_is_new(identity));
	CU_ASSERT_EQUAL(EVP_PKEY_get_bits(pki_identity_key(identity)), 3072);
	CU_ASSERT_EQUAL(X509_get_key_usage(pki_identity_certificate(identity)),
		KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	CU_ASSERT(verifies_as_its_own_anchor(pki_identity_certificate(identity)));
	pki_identity_unref(identity);
	trustpoint.key_type = PKI_KEY_EC;
	trustpoint.curve = "P-999";
	refuse(&trustpoint, "TP", "cannot make a key", NULL);
}

/* ---- when it is kept, when made anew ------------------------------------ */

static void test_kept(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *first = load(&trustpoint);
	struct kept kept = kept_read();
	struct pki_identity *second = load(&trustpoint);

	CU_ASSERT(!pki_identity_is_new(second));
	CU_ASSERT(kept_is(&kept));
	CU_ASSERT_EQUAL(
		X509_cmp(pki_identity_certificate(first), pki_identity_certificate(second)), 0);
	CU_ASSERT_EQUAL(EVP_PKEY_eq(pki_identity_key(first), pki_identity_key(second)), 1);
	CU_ASSERT(!pki_identity_is_stale(first));
	pki_identity_unref(first);
	pki_identity_unref(second);
}

static void test_modes(void)
{
	mode_t before = umask(0);
	struct pki_trustpoint trustpoint = device("router1");
	trustpoint.state_directory = scratch_path("state");
	pki_identity_unref(load(&trustpoint));
	umask(before);

	CU_ASSERT_EQUAL(mode_of("state"), 0700);
	CU_ASSERT_EQUAL(mode_of("state/trustpoints"), 0700);
	CU_ASSERT_EQUAL(mode_of("state/trustpoints/TP"), 0700);
	CU_ASSERT_EQUAL(mode_of("state/trustpoints/TP/1"), 0700);
	CU_ASSERT_EQUAL(mode_of("state/trustpoints/TP/lock"), 0600);
	CU_ASSERT_EQUAL(mode_of("state/trustpoints/TP/1/key.pem"), 0600);
	CU_ASSERT_EQUAL(mode_of("state/trustpoints/TP/1/certificate.pem"), 0600);
}

static void test_remade_for_other_names(void)
{
	static const char *const one[] = {"192.0.2.7", "a.example"};
	static const char *const turned[] = {"A.example", "192.0.2.7", "a.example"};
	static const char *const other[] = {"192.0.2.8", "a.example"};
	struct pki_trustpoint trustpoint = device("router1");
	CU_ASSERT(is_remade(&trustpoint));
	trustpoint.alt_names = one;
	trustpoint.alt_name_count = 2;
	CU_ASSERT(is_remade(&trustpoint));
	trustpoint.alt_names = turned;
	trustpoint.alt_name_count = 3;
	CU_ASSERT(!is_remade(&trustpoint));
	trustpoint.alt_names = other;
	trustpoint.alt_name_count = 2;
	CU_ASSERT(is_remade(&trustpoint));
	trustpoint.alt_name_count = 1;
	CU_ASSERT(is_remade(&trustpoint));
	trustpoint.domain_name = NULL;
	CU_ASSERT(is_remade(&trustpoint));
	trustpoint.domain_name = "";
	CU_ASSERT(!is_remade(&trustpoint));
	trustpoint.hostname = "router2";
	CU_ASSERT(is_remade(&trustpoint));
}

/* The same alternative names, but the device is called by another one of them. */
static void test_remade_for_another_common_name(void)
{
	static const char *const alts[] = {"router1", "router2"};
	struct pki_trustpoint trustpoint = device("router1");
	trustpoint.domain_name = NULL;
	trustpoint.alt_names = alts;
	trustpoint.alt_name_count = 2;
	CU_ASSERT(is_remade(&trustpoint));
	CU_ASSERT(!is_remade(&trustpoint));
	trustpoint.hostname = "router2";
	CU_ASSERT(is_remade(&trustpoint));
}

static void test_remade_when_expired(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *identity = load(&trustpoint);
	clock_offset = 3649L * DAY;
	CU_ASSERT(!pki_identity_is_stale(identity));
	CU_ASSERT(!is_remade(&trustpoint));
	clock_offset = 3651L * DAY;
	CU_ASSERT(pki_identity_is_stale(identity));
	CU_ASSERT(is_remade(&trustpoint));
	CU_ASSERT(!is_remade(&trustpoint));
	pki_identity_unref(identity);
}

/* Replacing it would not help: the new one's dates would come from the same clock. */
static void test_kept_when_the_clock_is_behind(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	CU_ASSERT(is_remade(&trustpoint));
	clock_offset = -2L * DAY;
	struct pki_identity *identity = load(&trustpoint);
	CU_ASSERT(!pki_identity_is_new(identity));
	const char *warning = pki_identity_warning(identity);
	CU_ASSERT(warning && strstr(warning, "not valid before"));
	pki_identity_unref(identity);
}

static void test_generations(void)
{
	struct pki_trustpoint first = device("router1"), second = device("router2");
	CU_ASSERT(is_remade(&first));
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP"), "1 current lock ");
	struct kept kept = kept_read();
	CU_ASSERT(is_remade(&second));
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP"), "1 2 current lock ");
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP/2"), "certificate.pem key.pem ");

	/* What an operator does who wants the old one back. */
	CU_ASSERT_EQUAL(unlink(scratch_path("trustpoints/TP/current")), 0);
	CU_ASSERT_EQUAL(symlink("1", scratch_path("trustpoints/TP/current")), 0);
	CU_ASSERT(!is_remade(&first));
	CU_ASSERT(kept_is(&kept));

	CU_ASSERT(is_remade(&second));
	CU_ASSERT(is_remade(&first));
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP"), "2 3 current lock ");
	CU_ASSERT(!kept_is(&kept));
}

static void test_stale_when_switched(void)
{
	struct pki_trustpoint first = device("router1"), second = device("router2");
	struct pki_identity *identity = load(&first);
	CU_ASSERT(!pki_identity_is_stale(identity));
	struct pki_identity *newer = load(&second);
	CU_ASSERT(pki_identity_is_stale(identity));
	CU_ASSERT(!pki_identity_is_stale(newer));
	pki_identity_unref(newer);
	pki_identity_unref(identity);
}

static void test_read_only(void)
{
	struct pki_trustpoint first = device("router1"), second = device("router2");
	struct pki_error error;
	struct pki_identity *identity = NULL;
	CU_ASSERT_EQUAL(pki_identity_load(&first, true, &identity, &error), 0);
	CU_ASSERT_PTR_NULL(identity);
	CU_ASSERT_STRING_EQUAL(listing("."), "");

	CU_ASSERT(is_remade(&first));
	struct kept kept = kept_read();
	CU_ASSERT_EQUAL(pki_identity_load(&second, true, &identity, &error), 0);
	CU_ASSERT_PTR_NULL(identity);
	CU_ASSERT(kept_is(&kept));
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP"), "1 current lock ");
	CU_ASSERT_EQUAL(pki_identity_load(&first, true, &identity, &error), 0);
	CU_ASSERT_PTR_NOT_NULL(identity);
	pki_identity_unref(identity);
}

static void test_refused_trustpoint_names(void)
{
	static const char *const wrong[] = {"", ".", "..", "a/b", "/etc", ".hidden", "a b", "a\n"};
	struct pki_trustpoint trustpoint = device("router1");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		trustpoint.name = wrong[i];
		refuse(&trustpoint, "trustpoint name", wrong[i], NULL);
	}
	CU_ASSERT_STRING_EQUAL(listing("."), "");
}

/* Clients may have pinned it: what cannot be read is never replaced silently. */
static void test_damaged_store(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	CU_ASSERT(is_remade(&trustpoint));
	struct kept kept = kept_read();
	const char *key = scratch_path(STORE_KEY);
	content_write(key, "rubbish", 7);
	refuse(&trustpoint, "trustpoints/TP/1/key.pem", "remove", "trustpoints/TP/current", NULL);
	CU_ASSERT_EQUAL(unlink(key), 0);
	refuse(&trustpoint, "trustpoints/TP/1/key.pem", strerror(ENOENT), NULL);
	content_write(key, kept.key.data, kept.key.len);
	CU_ASSERT(!is_remade(&trustpoint));

	CU_ASSERT_EQUAL(unlink(scratch_path("trustpoints/TP/current")), 0);
	CU_ASSERT_EQUAL(symlink("/etc", scratch_path("trustpoints/TP/current")), 0);
	refuse(&trustpoint, "trustpoints/TP/current", "not a link to a generation", NULL);
	CU_ASSERT_EQUAL(unlink(scratch_path("trustpoints/TP/current")), 0);
	CU_ASSERT(is_remade(&trustpoint));
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP"), "1 current lock ");
}

/* The store's own directories may not be links to elsewhere. */
static void test_links_are_not_followed(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	CU_ASSERT_EQUAL(mkdir(scratch_path("elsewhere"), 0700), 0);
	CU_ASSERT_EQUAL(symlink("elsewhere", scratch_path("trustpoints")), 0);
	refuse(&trustpoint, "trustpoints", NULL);
	CU_ASSERT_STRING_EQUAL(listing("elsewhere"), "");
}

static void test_reference_counts(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *identity = load(&trustpoint);
	CU_ASSERT_PTR_EQUAL(pki_identity_ref(identity), identity);
	pki_identity_unref(identity);
	CU_ASSERT_PTR_NOT_NULL(pki_identity_certificate(identity));
	pki_identity_unref(identity);
	pki_identity_unref(NULL);
}

/* ---- failures, crashes, rivals ------------------------------------------ */

/* Everything under a name is on the disk before the name that leads to it is. */
static void test_order_of_writing(void)
{
	struct pki_trustpoint first = device("router1"), second = device("router2");
	CU_ASSERT(is_remade(&first));
	seam_arm(CALL_ANY, -1, 0);
	CU_ASSERT(is_remade(&second));
	const char *from = strstr(seam.trace, "mkdirat 2\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(from);
	CU_ASSERT_STRING_EQUAL(from, "mkdirat 2\n"
				     "create key.pem\n"
				     "fsync key.pem\n"
				     "create certificate.pem\n"
				     "fsync certificate.pem\n"
				     "fsync 2\n"
				     "symlinkat current.new\n"
				     "fsync TP\n"
				     "renameat current\n"
				     "fsync TP\n");
}

static void test_piecemeal_writes(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	seam.piecemeal = true;
	CU_ASSERT(is_remade(&trustpoint));
	seam.piecemeal = false;
	CU_ASSERT(!is_remade(&trustpoint));
}

/* A file system that cannot sync directories (fsync(2): EINVAL) is no reason to fail. */
static void test_directories_without_sync(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	seam_arm(CALL_FSYNC, 1, EINVAL); /* of the state directory */
	CU_ASSERT(is_remade(&trustpoint));
	CU_ASSERT(seam.happened);
}

/*
 * After an attempt to replace `first` by `second` that was cut short: the store
 * has one or the other, whole, and a further attempt gets there and tidies up.
 */
static void check_recovery(const struct pki_trustpoint *first, const struct pki_trustpoint *second,
	const struct kept *kept)
{
	if (kept_is(kept)) {
		CU_ASSERT(!is_remade(first));
		CU_ASSERT(kept_is(kept));
		CU_ASSERT(is_remade(second));
		const char *names = listing("trustpoints/TP");
		size_t words = 0;
		for (const char *at = names; *at; at++)
			words += *at == ' ';
		CU_ASSERT_EQUAL(words, 4); /* two generations, current, lock */
		CU_ASSERT_PTR_NULL(strstr(names, "current.new"));
	}
	CU_ASSERT(!is_remade(second));
}

/* Fails the n-th call of one kind. Returns false once there is no n-th. */
static bool fail_replacing(enum call call, int at)
{
	struct pki_trustpoint first = device("router1"), second = device("router2");
	pki_identity_unref(load(&first));
	struct kept kept = kept_read();
	struct pki_identity *identity = NULL;
	struct pki_error error = {""};

	seam_arm(call, at, EIO);
	int result = pki_identity_load(&second, false, &identity, &error);
	bool happened = seam.happened;
	bool switched = strstr(seam.trace, "renameat current\nfsync TP\n");
	memset(&seam, 0, sizeof seam);
	pki_identity_unref(identity);

	/* What cannot be swept away is left for the next time; all else is an error. */
	if (result == 0 && happened && call != CALL_UNLINKAT && call != CALL_OPENAT &&
		call != CALL_READLINKAT) {
		fprintf(stderr, "%s number %d failed unnoticed\n", call_names[call], at);
		CU_FAIL("a failure went unnoticed");
	}
	CU_ASSERT(result == 0 || strstr(error.text, strerror(EIO)));
	CU_ASSERT_EQUAL(kept_is(&kept), !switched);
	check_recovery(&first, &second, &kept);
	return happened;
}

static void test_failures_when_replacing(void)
{
	for (enum call call = 0; call < CALL_ANY; call++) {
		int at = 1;
		while (fail_replacing(call, at))
			at++;
		CU_ASSERT(at > 1);
	}
}

/* Too many open files and the like, while the identity is there: it stays the identity. */
static void test_failures_when_loading(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	CU_ASSERT(is_remade(&trustpoint));
	struct kept kept = kept_read();
	int failures = 0;
	for (int at = 1;; at++) {
		struct pki_identity *identity = NULL;
		struct pki_error error;
		seam_arm(CALL_ANY, at, EMFILE);
		int result = pki_identity_load(&trustpoint, false, &identity, &error);
		bool happened = seam.happened;
		memset(&seam, 0, sizeof seam);
		pki_identity_unref(identity);
		CU_ASSERT_EQUAL(result == 0, !happened);
		CU_ASSERT(kept_is(&kept));
		if (!happened)
			break;
		failures++;
	}
	CU_ASSERT(failures >= 4);
}

/* The same from nothing; each time with a state directory of its own. */
static bool fail_making(enum call call, int at)
{
	char state[128];
	snprintf(state, sizeof state, "%s/%d-%d", scratch, (int)call, at);
	struct pki_trustpoint trustpoint = device("router1");
	trustpoint.state_directory = state;
	struct pki_identity *identity = NULL;
	struct pki_error error = {""};

	seam_arm(call, at, ENOSPC);
	int result = pki_identity_load(&trustpoint, false, &identity, &error);
	bool happened = seam.happened;
	memset(&seam, 0, sizeof seam);
	CU_ASSERT_EQUAL(result == 0, identity != NULL);
	CU_ASSERT(result == 0 || strstr(error.text, strerror(ENOSPC)));
	pki_identity_unref(identity);
	pki_identity_unref(load(&trustpoint));
	CU_ASSERT(!is_remade(&trustpoint));
	return happened;
}

static void test_failures_when_making(void)
{
	for (enum call call = 0; call < CALL_ANY; call++)
		for (int at = 1; fail_making(call, at); at++)
			;
}

/* In a child that dies at its n-th call of any kind. Returns false when it came through. */
static bool crash_loading(const struct pki_trustpoint *trustpoint, int at)
{
	int status = 0;
	fflush(NULL);
	pid_t child = fork();
	CU_ASSERT_NOT_EQUAL_FATAL(child, -1);
	if (child == 0) {
		struct pki_identity *identity;
		struct pki_error error;
		seam_arm(CALL_ANY, at, 0);
		seam.crash = true;
		_exit(pki_identity_load(trustpoint, false, &identity, &error) ? 1 : 0);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT(WIFEXITED(status));
	CU_ASSERT(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CRASHED);
	return WEXITSTATUS(status) == CRASHED;
}

static void test_crashes_when_replacing(void)
{
	struct pki_trustpoint first = device("router1"), second = device("router2");
	bool crashed = true;
	int at = 0;
	while (crashed) {
		pki_identity_unref(load(&first));
		struct kept kept = kept_read();
		crashed = crash_loading(&second, ++at);
		check_recovery(&first, &second, &kept);
	}
	CU_ASSERT(at > 20);
}

static void test_crashes_when_making(void)
{
	bool crashed = true;
	for (int at = 1; crashed; at++) {
		char state[128];
		snprintf(state, sizeof state, "%s/%d", scratch, at);
		struct pki_trustpoint trustpoint = device("router1");
		trustpoint.state_directory = state;
		crashed = crash_loading(&trustpoint, at);
		pki_identity_unref(load(&trustpoint));
		CU_ASSERT(!is_remade(&trustpoint));
	}
}

/* Reports the digest of the certificate it loaded; zeros when it could not. */
static void rival_run(int gate, int out)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *identity = NULL;
	struct pki_error error;
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	char byte;
	/* Returns when the parent closes its end: all start at once. */
	if (read(gate, &byte, 1) == 0 &&
		pki_identity_load(&trustpoint, false, &identity, &error) == 0)
		X509_digest(pki_identity_certificate(identity), EVP_sha256(), digest, NULL);
	_exit(write(out, digest, 32) == 32 ? 0 : 1);
}

static void test_rivals(void)
{
	enum { RIVALS = 6 };
	int gate[2], results[2];
	unsigned char digest[32], first[32] = {0}, zeros[32] = {0};
	CU_ASSERT_EQUAL_FATAL(pipe(gate), 0);
	CU_ASSERT_EQUAL_FATAL(pipe(results), 0);
	fflush(NULL);
	for (int i = 0; i < RIVALS; i++)
		if (fork() == 0) {
			close(gate[1]);
			rival_run(gate[0], results[1]);
		}
	close(gate[0]);
	close(gate[1]);
	close(results[1]);
	for (int i = 0; i < RIVALS; i++) {
		CU_ASSERT_EQUAL(read(results[0], digest, sizeof digest), 32);
		if (i == 0)
			memcpy(first, digest, sizeof first);
		CU_ASSERT_EQUAL(memcmp(first, digest, sizeof first), 0);
		CU_ASSERT(wait(NULL) > 0);
	}
	close(results[0]);
	CU_ASSERT_NOT_EQUAL(memcmp(first, zeros, sizeof first), 0);
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP"), "1 current lock ");
	struct pki_trustpoint trustpoint = device("router1");
	CU_ASSERT(!is_remade(&trustpoint));
}

/* ---- everything a trustpoint can have ------------------------------------ */

#define FULL_FILES                                                                                 \
	"ca.pem certificate.pem encryption-certificate.pem encryption-key.pem facts key.pem "      \
	"others.pem "

/* Two pairs, a CA, others and facts, from the one self-signed certificate there is. */
static struct pki_generation full_make(const struct pki_identity *identity, const char *label)
{
	struct pki_generation full = {.facts = {.exportable = true, .enrolled = 1700000000}};
	X509 *certificate = pki_identity_certificate(identity);
	EVP_PKEY *key = pki_identity_key(identity);
	for (int pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		X509_up_ref(certificate);
		EVP_PKEY_up_ref(key);
		full.pairs[pair] = (struct pki_credentials){certificate, key, NULL};
	}
	full.ca = sk_X509_new_null();
	full.others = sk_X509_new_null();
	sk_X509_push(full.ca, X509_dup(certificate));
	sk_X509_push(full.others, X509_dup(certificate));
	snprintf(full.facts.label, sizeof full.facts.label, "%s", label);
	return full;
}

static int full_save(const char *name, const struct pki_generation *full, struct pki_error *error)
{
	struct pki_store store;
	int result = pki_store_open(&store, PKI_STORE_TRUSTPOINT, scratch, name, error);
	if (result == 0)
		result = pki_store_lock(&store, error);
	if (result == 0)
		result = pki_store_save(&store, full, error);
	pki_store_close(&store);
	return result;
}

/* The label that the current generation's facts have; "" when there is no generation. */
static const char *full_label(const char *name)
{
	static char label[PKI_LABEL_SIZE];
	struct pki_store store;
	struct pki_generation found;
	struct pki_error error = {""};
	label[0] = '\0';
	CU_ASSERT_EQUAL(pki_store_open(&store, PKI_STORE_TRUSTPOINT, scratch, name, &error), 0);
	CU_ASSERT_EQUAL(pki_store_load(&store, &found, &error), 0);
	if (found.number) {
		CU_ASSERT_EQUAL(sk_X509_num(found.ca), 1);
		CU_ASSERT_EQUAL(sk_X509_num(found.others), 1);
		CU_ASSERT_PTR_NOT_NULL(found.pairs[PKI_PAIR_ENCRYPTION].certificate);
		CU_ASSERT(found.facts.exportable && found.facts.enrolled == 1700000000);
		strcpy(label, found.facts.label);
	}
	pki_generation_done(&found);
	pki_store_close(&store);
	return label;
}

static void test_full_generations(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *identity = load(&trustpoint);
	struct pki_generation full = full_make(identity, "K1");
	struct pki_error error = {""};
	CU_ASSERT_STRING_EQUAL(full_label("FULL"), "");
	CU_ASSERT_EQUAL(full_save("FULL", &full, &error), 0);
	CU_ASSERT_STRING_EQUAL(full_label("FULL"), "K1");
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/FULL/1"), FULL_FILES);
	CU_ASSERT_EQUAL(mode_of("trustpoints/FULL/1/encryption-key.pem"), 0600);
	CU_ASSERT_EQUAL(mode_of("trustpoints/FULL/1/facts"), 0600);
	pki_generation_done(&full);
	pki_identity_unref(identity);
}

/* Every call fails in turn: the one before or the new one, whole, and then it works. */
static void test_full_failures(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *identity = load(&trustpoint);
	struct pki_generation one = full_make(identity, "ONE"), two = full_make(identity, "TWO");
	struct pki_error error = {""};
	bool happened = true;
	int at = 0;
	while (happened) {
		CU_ASSERT_EQUAL(full_save("FULL", &one, &error), 0);
		seam_arm(CALL_ANY, ++at, EIO);
		int result = full_save("FULL", &two, &error);
		happened = seam.happened;
		memset(&seam, 0, sizeof seam);
		const char *label = full_label("FULL");
		CU_ASSERT(strcmp(label, "TWO") == 0 || (result && strcmp(label, "ONE") == 0));
		CU_ASSERT(result == 0 || strstr(error.text, strerror(EIO)));
		CU_ASSERT_EQUAL(full_save("FULL", &two, &error), 0);
		CU_ASSERT_STRING_EQUAL(full_label("FULL"), "TWO");
	}
	CU_ASSERT(at > 40);
	pki_generation_done(&one);
	pki_generation_done(&two);
	pki_identity_unref(identity);
}

static void test_full_crashes(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *identity = load(&trustpoint);
	struct pki_generation one = full_make(identity, "ONE"), two = full_make(identity, "TWO");
	struct pki_error error = {""};
	int at = 0, status = CRASHED << 8;
	while (WEXITSTATUS(status) == CRASHED) {
		CU_ASSERT_EQUAL(full_save("FULL", &one, &error), 0);
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			seam_arm(CALL_ANY, at + 1, 0);
			seam.crash = true;
			_exit(full_save("FULL", &two, &error) ? 1 : 0);
		}
		at++;
		CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
		const char *label = full_label("FULL");
		CU_ASSERT(strcmp(label, "TWO") == 0 || strcmp(label, "ONE") == 0);
	}
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
	CU_ASSERT(at > 40);
	pki_generation_done(&one);
	pki_generation_done(&two);
	pki_identity_unref(identity);
}

/* ---- a request that is out ---------------------------------------------------- */

static int pending_save(EVP_PKEY *key, const char *transaction, struct pki_error *error)
{
	struct pki_store store;
	struct pki_pending pending = {.is_there = true};
	pending.keys.pairs[PKI_PAIR_MAIN].key = key;
	pending.keys.facts.requested = 1700000000;
	strcpy(pending.keys.facts.transactions[0], transaction);
	int result = pki_store_open(&store, PKI_STORE_TRUSTPOINT, scratch, "TP", error);
	if (result == 0)
		result = pki_store_lock(&store, error);
	if (result == 0)
		result = pki_pending_save(&store, &pending, error);
	if (result == 0) {
		pending.keys.facts.polls = 1;
		result = pki_pending_update(&store, &pending, error);
	}
	pki_store_close(&store);
	return result;
}

/* The transaction and the polls of what is pending; "-" when nothing is. */
static const char *pending_found(EVP_PKEY *key)
{
	static char text[128];
	struct pki_store store;
	struct pki_pending pending;
	struct pki_error error = {""};
	CU_ASSERT_EQUAL(pki_store_open(&store, PKI_STORE_TRUSTPOINT, scratch, "TP", &error), 0);
	CU_ASSERT_EQUAL(pki_pending_load(&store, &pending, &error), 0);
	strcpy(text, "-");
	if (pending.is_there) {
		CU_ASSERT_EQUAL(EVP_PKEY_eq(pending.keys.pairs[PKI_PAIR_MAIN].key, key), 1);
		snprintf(text, sizeof text, "%s %u", pending.keys.facts.transactions[0],
			pending.keys.facts.polls);
	}
	pki_pending_done(&pending);
	pki_store_close(&store);
	return text;
}

static void test_pending_failures(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *identity = load(&trustpoint);
	EVP_PKEY *key = pki_identity_key(identity);
	struct kept kept = kept_read();
	struct pki_error error = {""};
	bool happened = true;
	int at = 0;
	while (happened) {
		seam_arm(CALL_ANY, ++at, EIO);
		int result = pending_save(key, "abc", &error);
		happened = seam.happened;
		memset(&seam, 0, sizeof seam);
		const char *found = pending_found(key);
		CU_ASSERT(strcmp(found, "abc 1") == 0 ||
			  (result && (strcmp(found, "-") == 0 || strcmp(found, "abc 0") == 0)));
		/* What could not be removed is in the way of what is made. */
		CU_ASSERT(result == 0 || strstr(error.text, strerror(EIO)) ||
			  strstr(error.text, strerror(EEXIST)) ||
			  strstr(error.text, strerror(ENOTEMPTY)));
		CU_ASSERT(kept_is(&kept));
	}
	CU_ASSERT(at > 15);
	CU_ASSERT_EQUAL(pending_save(key, "def", &error), 0);
	CU_ASSERT_STRING_EQUAL(pending_found(key), "def 1");
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP"), "1 current lock pending ");
	CU_ASSERT_EQUAL(mode_of("trustpoints/TP/pending"), 0700);
	CU_ASSERT_EQUAL(mode_of("trustpoints/TP/pending/key.pem"), 0600);
	pki_identity_unref(identity);
}

static void test_pending_crashes(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	struct pki_identity *identity = load(&trustpoint);
	EVP_PKEY *key = pki_identity_key(identity);
	struct pki_error error = {""};
	int at = 0, status = CRASHED << 8;
	while (WEXITSTATUS(status) == CRASHED) {
		at++;
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			seam_arm(CALL_ANY, at, 0);
			seam.crash = true;
			_exit(pending_save(key, "abc", &error) ? 1 : 0);
		}
		CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
		const char *found = pending_found(key);
		CU_ASSERT(strcmp(found, "-") == 0 || strncmp(found, "abc ", 4) == 0);
	}
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
	CU_ASSERT_STRING_EQUAL(pending_found(key), "abc 1");
	pki_identity_unref(identity);
}

/* ---- PEM files ---------------------------------------------------------- */

struct pair {
	EVP_PKEY *key;
	X509 *certificate;
};

struct profile {
	const char *name;
	int from, to; /* days from now */
	const char *usage, *extended_usage;
};

static const struct profile ordinary = {"leaf", -1, 30, NULL, NULL};

static void extension_add(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	CU_ASSERT_EQUAL(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* Signs with the issuer's key, or its own when there is none. */
static X509 *certificate_make(
	const struct profile *profile, EVP_PKEY *key, const struct pair *issuer)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_time_adj_ex(X509_getm_notBefore(certificate), profile->from, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(certificate), profile->to, 0, NULL);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)profile->name, -1, -1, 0);
	X509_set_issuer_name(
		certificate, issuer ? X509_get_subject_name(issuer->certificate) : name);
	X509_set_pubkey(certificate, key);
	if (profile->usage)
		extension_add(certificate, NID_key_usage, profile->usage);
	if (profile->extended_usage)
		extension_add(certificate, NID_ext_key_usage, profile->extended_usage);
	CU_ASSERT(X509_sign(certificate, issuer ? issuer->key : key, EVP_sha256()) > 0);
	return certificate;
}

static struct pair pair_make(const struct profile *profile, const struct pair *issuer)
{
	struct pair pair = {.key = EVP_EC_gen("P-256")};
	pair.certificate = certificate_make(profile, pair.key, issuer);
	return pair;
}

static void pair_done(struct pair *pair)
{
	X509_free(pair->certificate);
	EVP_PKEY_free(pair->key);
}

/* What is read back from the disk decides, not what was meant to be written. */
static void test_pair_is_checked_before_the_switch(void)
{
	struct pki_trustpoint trustpoint = device("router1");
	CU_ASSERT(is_remade(&trustpoint));
	struct kept kept = kept_read();
	struct pair mine = pair_make(&ordinary, NULL), other = pair_make(&ordinary, NULL);
	struct pki_generation torn = {
		.pairs = {{.certificate = mine.certificate, .key = other.key}}};
	struct pki_store store;
	struct pki_error error = {""};

	CU_ASSERT_EQUAL(pki_store_open(&store, PKI_STORE_TRUSTPOINT, scratch, "TP", &error), 0);
	CU_ASSERT_EQUAL(pki_store_lock(&store, &error), 0);
	CU_ASSERT_EQUAL(pki_store_save(&store, &torn, &error), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "does not belong"));
	pki_store_close(&store);
	CU_ASSERT(kept_is(&kept));
	CU_ASSERT_STRING_EQUAL(listing("trustpoints/TP"), "1 current lock ");
	pair_done(&mine);
	pair_done(&other);
}

static FILE *scratch_create(const char *name, const char *how)
{
	FILE *file = fopen(scratch_path(name), how);
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fchmod(fileno(file), 0600), 0);
	return file;
}

static void certificate_save(const char *name, const char *how, X509 *certificate)
{
	FILE *file = scratch_create(name, how);
	CU_ASSERT_EQUAL(PEM_write_X509(file, certificate), 1);
	fclose(file);
}

static void key_save(const char *name, const char *how, EVP_PKEY *key)
{
	FILE *file = scratch_create(name, how);
	CU_ASSERT_EQUAL(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
}

static void pair_save(const struct pair *pair)
{
	certificate_save("cert.pem", "w", pair->certificate);
	key_save("key.pem", "w", pair->key);
}

/* Of cert.pem and key.pem in the scratch directory. */
static struct pki_trustpoint from_files(void)
{
	static char certificate[256], key[256];
	snprintf(certificate, sizeof certificate, "%s/cert.pem", scratch);
	snprintf(key, sizeof key, "%s/key.pem", scratch);
	return (struct pki_trustpoint){
		.name = "TP",
		.state_directory = scratch,
		.method = PKI_METHOD_PEM,
		.certificate_file = certificate,
		.key_file = key,
	};
}

static void test_pem_pair(void)
{
	struct pair pair = pair_make(&ordinary, NULL);
	pair_save(&pair);
	struct pki_trustpoint trustpoint = from_files();
	struct pki_identity *identity = load(&trustpoint);
	CU_ASSERT_EQUAL(X509_cmp(pki_identity_certificate(identity), pair.certificate), 0);
	CU_ASSERT_EQUAL(EVP_PKEY_eq(pki_identity_key(identity), pair.key), 1);
	CU_ASSERT_EQUAL(sk_X509_num(pki_identity_chain(identity)), 0);
	CU_ASSERT_PTR_NULL(pki_identity_warning(identity));
	CU_ASSERT(!pki_identity_is_new(identity));
	pki_identity_unref(identity);
	CU_ASSERT_STRING_EQUAL(listing("."), "cert.pem key.pem ");
	pair_done(&pair);
}

static void test_pem_chain(void)
{
	static const struct profile root_profile = {"root", -1, 30, NULL, NULL};
	static const struct profile middle_profile = {"middle", -1, 30, NULL, NULL};
	struct pair root = pair_make(&root_profile, NULL);
	struct pair middle = pair_make(&middle_profile, &root);
	struct pair leaf = pair_make(&ordinary, &middle);
	pair_save(&leaf);
	certificate_save("cert.pem", "a", middle.certificate);
	/* As certbot's fullchain.pem and chain.pem, which overlap. */
	certificate_save("chain.pem", "w", leaf.certificate);
	certificate_save("chain.pem", "a", middle.certificate);
	certificate_save("chain.pem", "a", root.certificate);
	struct pki_trustpoint trustpoint = from_files();
	struct pki_identity *identity = load(&trustpoint);
	CU_ASSERT_EQUAL(sk_X509_num(pki_identity_chain(identity)), 1);
	pki_identity_unref(identity);

	trustpoint.chain_file = scratch_path("chain.pem");
	identity = load(&trustpoint);
	STACK_OF(X509) *chain = pki_identity_chain(identity);
	CU_ASSERT_EQUAL(X509_cmp(pki_identity_certificate(identity), leaf.certificate), 0);
	CU_ASSERT_EQUAL_FATAL(sk_X509_num(chain), 2);
	CU_ASSERT_EQUAL(X509_cmp(sk_X509_value(chain, 0), middle.certificate), 0);
	CU_ASSERT_EQUAL(X509_cmp(sk_X509_value(chain, 1), root.certificate), 0);
	pki_identity_unref(identity);
	pair_done(&root);
	pair_done(&middle);
	pair_done(&leaf);
}

/* One file with the key first and the certificate behind it, as HAProxy has them. */
static void test_pem_combined(void)
{
	struct pair pair = pair_make(&ordinary, NULL);
	key_save("cert.pem", "w", pair.key);
	certificate_save("cert.pem", "a", pair.certificate);
	struct pki_trustpoint trustpoint = from_files();
	trustpoint.key_file = trustpoint.certificate_file;
	pki_identity_unref(load(&trustpoint));
	certificate_save("cert.pem", "w", pair.certificate);
	key_save("cert.pem", "a", pair.key);
	pki_identity_unref(load(&trustpoint));
	pair_done(&pair);
}

/* The block that `openssl ecparam -genkey` puts in front of the key. */
static void test_pem_with_parameters(void)
{
	static const char parameters[] = "-----BEGIN EC PARAMETERS-----\n"
					 "BggqhkjOPQMBBw==\n"
					 "-----END EC PARAMETERS-----\n";
	struct pair pair = pair_make(&ordinary, NULL);
	pair_save(&pair);
	content_write(scratch_path("key.pem"), parameters, strlen(parameters));
	FILE *file = scratch_create("key.pem", "a");
	PEM_write_PrivateKey_ex(file, pair.key, NULL, NULL, 0, NULL, NULL, NULL, NULL);
	fclose(file);
	struct pki_trustpoint trustpoint = from_files();
	pki_identity_unref(load(&trustpoint));
	pair_done(&pair);
}

static void test_pem_mismatch(void)
{
	struct pair mine = pair_make(&ordinary, NULL), other = pair_make(&ordinary, NULL);
	pair_save(&mine);
	key_save("key.pem", "w", other.key);
	struct pki_trustpoint trustpoint = from_files();
	refuse(&trustpoint, "does not belong", "/cert.pem", "/key.pem", NULL);
	certificate_save("cert.pem", "a", other.certificate);
	refuse(&trustpoint, "first", "/cert.pem", "/key.pem", NULL);
	pair_done(&mine);
	pair_done(&other);
}

static void test_pem_encrypted_keys(void)
{
	unsigned char passphrase[] = "secret";
	int len = (int)strlen((const char *)passphrase);
	struct pair pair = pair_make(&ordinary, NULL);
	pair_save(&pair);
	struct pki_trustpoint trustpoint = from_files();
	FILE *file = scratch_create("key.pem", "w");
	PEM_write_PrivateKey(file, pair.key, EVP_aes_128_cbc(), passphrase, len, NULL, NULL);
	fclose(file);
	refuse(&trustpoint, "/key.pem", "encrypted", "openssl pkey", NULL);

	/* The older form, with Proc-Type: 4,ENCRYPTED. */
	BIO *bio = BIO_new_file(scratch_path("key.pem"), "w");
	PEM_write_bio_PrivateKey_traditional(
		bio, pair.key, EVP_aes_128_cbc(), passphrase, len, NULL, NULL);
	BIO_free(bio);
	refuse(&trustpoint, "/key.pem", "encrypted", "openssl pkey", NULL);
	pair_done(&pair);
}

static EVP_PKEY *dsa_key_make(void)
{
	EVP_PKEY *parameters = NULL, *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
	EVP_PKEY_paramgen_init(ctx);
	EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, 1024);
	EVP_PKEY_CTX_set_dsa_paramgen_q_bits(ctx, 160);
	CU_ASSERT_EQUAL(EVP_PKEY_paramgen(ctx, &parameters), 1);
	EVP_PKEY_CTX_free(ctx);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, parameters, NULL);
	EVP_PKEY_keygen_init(ctx);
	CU_ASSERT_EQUAL(EVP_PKEY_keygen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(parameters);
	return key;
}

static void refuse_key(EVP_PKEY *key, const char *word, const char *cure)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(key);
	key_save("key.pem", "w", key);
	struct pki_trustpoint trustpoint = from_files();
	refuse(&trustpoint, "/key.pem", word, cure, NULL);
	EVP_PKEY_free(key);
}

static void test_pem_unfit_keys(void)
{
	struct pair pair = pair_make(&ordinary, NULL);
	pair_save(&pair);
	refuse_key(EVP_RSA_gen(1024), "too weak", "at least 2048 bits");
	refuse_key(EVP_EC_gen("prime192v1"), "too weak", "P-256");
	refuse_key(dsa_key_make(), "type DSA", "make an EC or RSA key");
	refuse_key(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), "type X25519", "make an EC");
	pair_done(&pair);
}

static void test_pem_other_fit_keys(void)
{
	EVP_PKEY *const keys[] = {EVP_RSA_gen(2048), EVP_EC_gen("P-521")};
	struct pki_trustpoint trustpoint = from_files();
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct pair pair = {keys[i], certificate_make(&ordinary, keys[i], NULL)};
		pair_save(&pair);
		pki_identity_unref(load(&trustpoint));
		pair_done(&pair);
	}
}

static void test_pem_unreadable_files(void)
{
	static const char garbage[] = "-----BEGIN CERTIFICATE-----\nAAAA\n"
				      "-----END CERTIFICATE-----\n";
	struct pair pair = pair_make(&ordinary, NULL);
	struct pki_trustpoint trustpoint = from_files();
	refuse(&trustpoint, "/cert.pem", strerror(ENOENT), NULL);
	pair_save(&pair);
	CU_ASSERT_EQUAL(unlink(trustpoint.key_file), 0);
	refuse(&trustpoint, "/key.pem", strerror(ENOENT), NULL);
	certificate_save("key.pem", "w", pair.certificate);
	refuse(&trustpoint, "/key.pem", "no usable private key", NULL);
	key_save("key.pem", "w", pair.key);

	content_write(trustpoint.certificate_file, garbage, strlen(garbage));
	refuse(&trustpoint, "/cert.pem", "certificate number 1 cannot be read", NULL);
	certificate_save("cert.pem", "w", pair.certificate);
	FILE *file = scratch_create("cert.pem", "a");
	fputs(garbage, file);
	fclose(file);
	refuse(&trustpoint, "/cert.pem", "certificate number 2 cannot be read", NULL);
	content_write(trustpoint.certificate_file, "", 0);
	refuse(&trustpoint, "/cert.pem", "holds no certificate", NULL);

	certificate_save("cert.pem", "w", pair.certificate);
	trustpoint.chain_file = scratch_path("chain.pem");
	refuse(&trustpoint, "/chain.pem", strerror(ENOENT), NULL);
	trustpoint.chain_file = NULL;
	pki_identity_unref(load(&trustpoint));
	pair_done(&pair);
}

/* Cut at every length: an error, and never a read beyond the end. */
static void test_pem_truncated_files(void)
{
	struct pair pair = pair_make(&ordinary, NULL);
	struct pki_trustpoint trustpoint = from_files();
	struct content content;
	pair_save(&pair);
	CU_ASSERT(content_read(trustpoint.key_file, &content));
	/* The last newline may be missing. */
	for (size_t len = 0; len + 1 < content.len; len += 3) {
		content_write(trustpoint.key_file, content.data, len);
		refuse(&trustpoint, "/key.pem", NULL);
	}
	pair_done(&pair);
}

static void test_pem_strange_files(void)
{
	struct pair pair = pair_make(&ordinary, NULL);
	pair_save(&pair);
	struct pki_trustpoint trustpoint = from_files();
	CU_ASSERT_EQUAL(truncate(trustpoint.certificate_file, 1024 * 1024 + 1), 0);
	refuse(&trustpoint, "/cert.pem", "larger than the limit", NULL);
	CU_ASSERT_EQUAL(unlink(trustpoint.certificate_file), 0);
	CU_ASSERT_EQUAL(mkfifo(trustpoint.certificate_file, 0600), 0);
	refuse(&trustpoint, "/cert.pem", "not a regular file", NULL);
	CU_ASSERT_EQUAL(unlink(trustpoint.certificate_file), 0);
	CU_ASSERT_EQUAL(mkdir(trustpoint.certificate_file, 0700), 0);
	refuse(&trustpoint, "/cert.pem", "not a regular file", NULL);
	pair_done(&pair);
}

static void check_warning(const struct profile *profile, mode_t mode, const char *expected)
{
	struct pair pair = pair_make(profile, NULL);
	pair_save(&pair);
	CU_ASSERT_EQUAL(chmod(scratch_path("key.pem"), mode), 0);
	struct pki_trustpoint trustpoint = from_files();
	struct pki_identity *identity = load(&trustpoint);
	const char *warning = pki_identity_warning(identity);
	if (!expected)
		CU_ASSERT_PTR_NULL(warning);
	if (expected && (!warning || !strstr(warning, expected))) {
		fprintf(stderr, "no \"%s\" in: %s\n", expected, warning ? warning : "(none)");
		CU_FAIL("another warning than expected");
	}
	CU_ASSERT(!pki_identity_is_stale(identity));
	pki_identity_unref(identity);
	pair_done(&pair);
}

static void test_warnings(void)
{
	static const struct profile expired = {"leaf", -9, -1, NULL, NULL};
	static const struct profile early = {"leaf", 1, 9, NULL, NULL};
	static const struct profile sound = {"leaf", -1, 9, "digitalSignature", "serverAuth"};
	static const struct profile any = {"leaf", -1, 9, NULL, "anyExtendedKeyUsage"};
	static const struct profile client = {"leaf", -1, 9, NULL, "clientAuth"};
	static const struct profile issuer = {"leaf", -1, 9, "keyCertSign", NULL};
	check_warning(&expired, 0600, "expired on 20");
	check_warning(&early, 0600, "not valid before 20");
	check_warning(&sound, 0600, NULL);
	check_warning(&sound, 0400, NULL);
	check_warning(&any, 0600, NULL);
	check_warning(&client, 0600, "serverAuth");
	check_warning(&issuer, 0600, "digitalSignature");
	check_warning(&sound, 0640, "mode 0640");
	check_warning(&sound, 0604, "/key.pem");
	check_warning(&expired, 0604, "; key file");
}

static void test_pem_stale(void)
{
	struct pair pair = pair_make(&ordinary, NULL);
	pair_save(&pair);
	struct pki_trustpoint trustpoint = from_files();
	struct pki_identity *identity = load(&trustpoint);
	CU_ASSERT(!pki_identity_is_stale(identity));

	struct stat status;
	CU_ASSERT_EQUAL(stat(trustpoint.key_file, &status), 0);
	const struct timespec touched[2] = {{0, 0}, {0, 0}};
	const struct timespec restored[2] = {status.st_atim, status.st_mtim};
	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, trustpoint.key_file, touched, 0), 0);
	CU_ASSERT(pki_identity_is_stale(identity));
	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, trustpoint.key_file, restored, 0), 0);
	CU_ASSERT(!pki_identity_is_stale(identity));

	/* Replaced by rename, with the same size and time: another inode. */
	CU_ASSERT_EQUAL(stat(trustpoint.certificate_file, &status), 0);
	const struct timespec same[2] = {status.st_atim, status.st_mtim};
	certificate_save("next.pem", "w", pair.certificate);
	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, scratch_path("next.pem"), same, 0), 0);
	CU_ASSERT_EQUAL(rename(scratch_path("next.pem"), trustpoint.certificate_file), 0);
	CU_ASSERT(pki_identity_is_stale(identity));
	pki_identity_unref(identity);

	identity = load(&trustpoint);
	CU_ASSERT(!pki_identity_is_stale(identity));
	CU_ASSERT_EQUAL(unlink(trustpoint.certificate_file), 0);
	CU_ASSERT(pki_identity_is_stale(identity));
	pki_identity_unref(identity);
	pair_done(&pair);
}

/* Its operator looks after it: an expired certificate from a file is no reason to reload. */
static void test_pem_expiry_is_not_stale(void)
{
	struct pair pair = pair_make(&ordinary, NULL);
	pair_save(&pair);
	struct pki_trustpoint trustpoint = from_files();
	struct pki_identity *identity = load(&trustpoint);
	clock_offset = 31L * DAY;
	CU_ASSERT(!pki_identity_is_stale(identity));
	pki_identity_unref(identity);
	pair_done(&pair);
}

/* clang-format off */
static CU_TestInfo selfsigned_tests[] = {
	{ "profile", test_certificate_profile },
	{ "names", test_certificate_names },
	{ "complete host name", test_certificate_of_a_complete_host_name },
	{ "name longer than a common name", test_certificate_of_a_long_name },
	{ "refused names", test_refused_names },
	{ "key types", test_key_types },
	{ "kept, byte for byte", test_kept },
	{ "modes of files and directories", test_modes },
	{ "made anew for other names", test_remade_for_other_names },
	{ "made anew for another common name", test_remade_for_another_common_name },
	{ "made anew when expired", test_remade_when_expired },
	{ "kept when the clock is behind", test_kept_when_the_clock_is_behind },
	{ "stale when another generation is current", test_stale_when_switched },
	{ "read-only", test_read_only },
	{ "reference counts", test_reference_counts },
	CU_TEST_INFO_NULL,
};

static CU_TestInfo store_tests[] = {
	{ "generations", test_generations },
	{ "refused trustpoint names", test_refused_trustpoint_names },
	{ "damaged store", test_damaged_store },
	{ "links are not followed", test_links_are_not_followed },
	{ "pair checked before the switch", test_pair_is_checked_before_the_switch },
	{ "order of writing", test_order_of_writing },
	{ "writes byte by byte, interrupted", test_piecemeal_writes },
	{ "directories that cannot be synced", test_directories_without_sync },
	{ "every failure when loading", test_failures_when_loading },
	{ "every failure when replacing", test_failures_when_replacing },
	{ "every failure when making", test_failures_when_making },
	{ "a crash at every call when replacing", test_crashes_when_replacing },
	{ "a crash at every call when making", test_crashes_when_making },
	{ "two pairs, a CA and facts", test_full_generations },
	{ "failures when all of it is saved", test_full_failures },
	{ "a crash at every call when all of it is saved", test_full_crashes },
	{ "failures when a request is kept", test_pending_failures },
	{ "a crash at every call when a request is kept", test_pending_crashes },
	{ "rivals make one identity", test_rivals },
	CU_TEST_INFO_NULL,
};

static CU_TestInfo pem_tests[] = {
	{ "pair", test_pem_pair },
	{ "chain", test_pem_chain },
	{ "key and certificate in one file", test_pem_combined },
	{ "EC PARAMETERS before the key", test_pem_with_parameters },
	{ "key of another certificate", test_pem_mismatch },
	{ "encrypted keys", test_pem_encrypted_keys },
	{ "unfit keys", test_pem_unfit_keys },
	{ "other fit keys", test_pem_other_fit_keys },
	{ "unreadable files", test_pem_unreadable_files },
	{ "truncated files", test_pem_truncated_files },
	{ "strange files", test_pem_strange_files },
	{ "warnings", test_warnings },
	{ "stale", test_pem_stale },
	{ "expiry is not stale", test_pem_expiry_is_not_stale },
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo pki_suites[] = {
	{ "pki self-signed", NULL, NULL, scratch_open, scratch_close, selfsigned_tests },
	{ "pki store", NULL, NULL, scratch_open, scratch_close, store_tests },
	{ "pki pem", NULL, NULL, scratch_open, scratch_close, pem_tests },
	CU_SUITE_INFO_NULL,
};
/* clang-format on */
