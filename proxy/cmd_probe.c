/* ferrule probe: what this kernel and this OpenSSL can offload, and known kernel faults. */
#include "proxy/commands.h"

#include "ktls/ktls.h"
#include "proxy/json.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* One self-test in the operator's words: what was found, what ferrule does about it. */
struct finding {
	const char *key; /* JSON */
	const char *title;
	const char *good, *bad;
	bool is_good;
};

#define FINDINGS 4

static void findings_fill(const struct ktls_capabilities *found, struct finding *findings)
{
	const struct finding all[FINDINGS] = {
		{"splice_receive", "splice from a kernel TLS socket",
			"complete through an empty pipe of 16 slots; bodies are received that way",
			"fails its test; ferrule keeps receiving in user space", !found->splice_rx},
		{"splice_short_pipe_lossless", "K1, splice into a pipe without room",
			"nothing is lost",
			"this kernel silently drops data; ferrule splices into empty pipes of 16 "
			"slots only",
			found->splice_lossless},
		{"close_lossless", "K2, close behind a full socket",
			"nothing was lost in this test",
			"the last record is lost; ferrule waits for room, sends close_notify and "
			"lets the client close first",
			found->close_lossless},
		{"rekey", "K5, KeyUpdate of TLS 1.3", "new keys are taken; connections go on",
			"new keys are refused (Linux 6.14 takes them); ferrule ends a connection "
			"whose client changes keys",
			found->rekey},
	};
	memcpy(findings, all, sizeof all);
}

/* What an errno of the probe means to an operator. */
static const char *reason(int error)
{
	switch (error) {
	case ENOENT:
		return "not in this kernel, or its module is not loaded";
	case EIO:
	case EBADMSG:
		return "taken, but what arrived differs from what was sent";
	case ETIMEDOUT:
		return "taken, but nothing arrived";
	default:
		return strerror(error);
	}
}

/* A kernel without TLS is an answer; no sockets or no memory is none. */
static bool is_determined(const struct ktls_capabilities *found)
{
	return found->ulp == 0 || found->ulp == ENOENT || found->ulp == ENOPROTOOPT ||
	       found->ulp == EOPNOTSUPP;
}

/* ---- as text ---------------------------------------------------------------- */

static void print_direction(int error)
{
	if (error)
		printf("no: %s", reason(error));
	else
		printf("yes");
}

static void print_table(const struct ktls_capabilities *found)
{
	for (int i = 0; i < 2 * KTLS_CIPHERS; i++) {
		enum ktls_version version = (enum ktls_version)(i / KTLS_CIPHERS);
		enum ktls_cipher cipher = (enum ktls_cipher)(i % KTLS_CIPHERS);
		const int *works = found->offload[version][cipher];
		printf("  %s %-18s transmit ", ktls_version_name(version),
			ktls_cipher_name(cipher));
		print_direction(works[KTLS_TX]);
		printf(", receive ");
		print_direction(works[KTLS_RX]);
		printf("\n");
	}
}

static void print_text(const struct ktls_capabilities *found, const char *kernel)
{
	struct finding findings[FINDINGS];
	printf("Kernel   Linux %s\n", kernel);
	printf("OpenSSL  %s\n", OpenSSL_version(OPENSSL_VERSION));
	printf("Records in user space\n");
	for (int i = 0; i < KTLS_CIPHERS; i++)
		printf("  %-18s by %s\n", ktls_cipher_name((enum ktls_cipher)i),
			ktls_cipher_library((enum ktls_cipher)i));
	if (found->ulp) {
		printf("Kernel TLS: no: %s\n", reason(found->ulp));
		printf("  Try `modprobe tls` (CONFIG_TLS). Until then ferrule protects records in "
		       "user space;\n  offload = \"required\" is refused.\n");
		return;
	}
	printf("Kernel TLS: yes\n");
	print_table(found);
	printf("Self-tests\n");
	findings_fill(found, findings);
	for (int i = 0; i < FINDINGS; i++)
		printf("  %s: %s\n", findings[i].title,
			findings[i].is_good ? findings[i].good : findings[i].bad);
}

/* ---- as JSON ------------------------------------------------------------------ */

/* true, or the reason why not. */
static void print_json_answer(int error)
{
	if (error)
		json_string(stdout, reason(error));
	else
		printf("true");
}

static void print_json_table(const struct ktls_capabilities *found)
{
	for (int i = 0; i < 2 * KTLS_CIPHERS; i++) {
		enum ktls_version version = (enum ktls_version)(i / KTLS_CIPHERS);
		enum ktls_cipher cipher = (enum ktls_cipher)(i % KTLS_CIPHERS);
		const int *works = found->offload[version][cipher];
		printf("%s{\"version\":\"%s\",\"cipher\":\"%s\",\"transmit\":", i ? "," : "",
			ktls_version_name(version), ktls_cipher_name(cipher));
		print_json_answer(works[KTLS_TX]);
		printf(",\"receive\":");
		print_json_answer(works[KTLS_RX]);
		printf("}");
	}
}

static void print_json(const struct ktls_capabilities *found, const char *kernel)
{
	struct finding findings[FINDINGS];
	printf("{\"kernel\":");
	json_string(stdout, kernel);
	printf(",\"openssl\":");
	json_string(stdout, OpenSSL_version(OPENSSL_VERSION));
	printf(",\"user_space\":{");
	for (int i = 0; i < KTLS_CIPHERS; i++)
		printf("%s\"%s\":\"%s\"", i ? "," : "", ktls_cipher_name((enum ktls_cipher)i),
			ktls_cipher_library((enum ktls_cipher)i));
	printf("},\"kernel_tls\":");
	print_json_answer(found->ulp);
	printf(",\"offload\":[");
	print_json_table(found);
	printf("],\"self_tests\":{");
	findings_fill(found, findings);
	/* without kernel TLS nothing was tested */
	for (int i = 0; i < FINDINGS; i++)
		printf("%s\"%s\":%s", i ? "," : "", findings[i].key,
			found->ulp            ? "null"
			: findings[i].is_good ? "true"
					      : "false");
	printf("}}\n");
}

/* ---- the command ---------------------------------------------------------------- */

static const char usage[] =
	"usage: ferrule probe [--json] [--help]\n"
	"\n"
	"Tries out on the loopback interface what this kernel and this OpenSSL can\n"
	"offload, per TLS version, cipher and direction, and which known faults of\n"
	"kernel TLS are present; says which library protects records in user space.\n"
	"Run it as root: only then the kernel loads its TLS module by itself.\n"
	"\n"
	"  --json     the same as one JSON object\n"
	"  -c FILE    taken as by every command; nothing is read from it\n"
	"\n"
	"Exit status: 0 found out, 1 could not be found out, 2 wrong usage.\n";

int cmd_probe(int argc, char **argv)
{
	struct options options;
	int done = options_parse(&options, argc, argv, usage);
	if (done >= 0)
		return done;
	if (options.what_count > 0) {
		fprintf(stderr, "ferrule probe: takes no argument \"%s\"\n", options.what[0]);
		return EXIT_USAGE;
	}

	struct ktls_capabilities found;
	struct utsname name;
	ktls_probe(&found);
	if (uname(&name) < 0 || !is_determined(&found)) {
		fprintf(stderr, "ferrule probe: no loopback connection: %s\n",
			strerror(found.ulp ? found.ulp : errno));
		return 1;
	}
	if (options.json)
		print_json(&found, name.release);
	else
		print_text(&found, name.release);
	return 0;
}
