/* ferrule pki: the operator's hand on key pairs and certificates; ferrule show pki. */
#include "proxy/commands.h"

#include "config/conf.h"
#include "pki/pki.h"
#include "proxy/operator.h"
#include "proxy/privileges.h"
#include "proxy/trustpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORDS_MAX 4

/* ---- the words of the command line --------------------------------------------------- */

enum option {
	OPTION_YES = 1 << 0,
	OPTION_REGENERATE = 1 << 1,
	OPTION_REPLACE = 1 << 2,
	OPTION_USAGE_KEYS = 1 << 3,
	OPTION_EXPORTABLE = 1 << 4,
	OPTION_KEY = 1 << 5,
	OPTION_CHAIN = 1 << 6,
	OPTION_LEGACY = 1 << 7,
	OPTION_FINGERPRINT = 1 << 8,
	OPTION_PASSWORD_FILE = 1 << 9,
	OPTION_OUT = 1 << 10,
};

struct arguments {
	const char *config, *fingerprint, *password_file, *out;
	unsigned flags; /* OPTION_..., of those without a value too */
	const char *words[WORDS_MAX];
	int count;
};

/* What a subcommand works with. */
struct job {
	const struct arguments *arguments;
	struct conf *conf;
	struct trustpoints trustpoints;
	struct pki_context context;
	const struct pki_trustpoint *trustpoint; /* its first word's; NULL: it is a label */
	struct pki_secret password;
	const struct pki_secret *given; /* &password when there is a file with it */
	struct pki_error error;
	char account_error[256];
};

struct subcommand {
	const char *name, *more; /* "key", "generate"; `more` may be NULL */
	const char *usage;
	unsigned options; /* that it has */
	int least, most;  /* words behind its name */
	bool is_of_label; /* the first word is none of a trustpoint */
	int (*run)(struct job *job);
};

static const struct {
	const char *word;
	enum option option;
	size_t value; /* offset of the field of its value; 0: it has none */
} known_options[] = {
	{"--yes", OPTION_YES, 0},
	{"--regenerate", OPTION_REGENERATE, 0},
	{"--replace", OPTION_REPLACE, 0},
	{"--usage-keys", OPTION_USAGE_KEYS, 0},
	{"--exportable", OPTION_EXPORTABLE, 0},
	{"--key", OPTION_KEY, 0},
	{"--chain", OPTION_CHAIN, 0},
	{"--legacy", OPTION_LEGACY, 0},
	{"--fingerprint", OPTION_FINGERPRINT, offsetof(struct arguments, fingerprint)},
	{"--password-file", OPTION_PASSWORD_FILE, offsetof(struct arguments, password_file)},
	{"--out", OPTION_OUT, offsetof(struct arguments, out)},
};

static void value_store(struct arguments *arguments, size_t offset, const char *value)
{
	memcpy((char *)arguments + offset, &value, sizeof value);
}

/* How many words of argv it takes; 0 when it is no option of this subcommand. */
static int option_take(
	struct arguments *arguments, const struct subcommand *subcommand, char **argv)
{
	if (strcmp(argv[0], "-c") == 0 && argv[1]) {
		arguments->config = argv[1];
		return 2;
	}
	for (size_t i = 0; i < sizeof known_options / sizeof *known_options; i++) {
		if (strcmp(argv[0], known_options[i].word) != 0 ||
			!(subcommand->options & known_options[i].option))
			continue;
		if (known_options[i].value && (!argv[1] || *argv[1] == '-'))
			return 0;
		arguments->flags |= known_options[i].option;
		if (known_options[i].value)
			value_store(arguments, known_options[i].value, argv[1]);
		return known_options[i].value ? 2 : 1;
	}
	return 0;
}

static int usage_wrong(const struct subcommand *subcommand, const char *what, const char *word)
{
	fprintf(stderr, "ferrule pki %s%s%s: %s%s\n%s", subcommand->name,
		subcommand->more ? " " : "", subcommand->more ? subcommand->more : "", what, word,
		subcommand->usage);
	return EXIT_USAGE;
}

/* -1 to go on, or an exit status. */
static int arguments_parse(
	struct arguments *arguments, const struct subcommand *subcommand, char **argv)
{
	*arguments = (struct arguments){.config = CONF_DEFAULT_PATH};
	while (*argv) {
		if (strcmp(*argv, "--help") == 0 || strcmp(*argv, "-h") == 0) {
			fputs(subcommand->usage, stdout);
			return 0;
		}
		int taken = option_take(arguments, subcommand, argv);
		if (taken == 0 && (**argv == '-' || arguments->count == WORDS_MAX))
			return usage_wrong(subcommand, "unknown or incomplete option ", *argv);
		if (taken == 0)
			arguments->words[arguments->count++] = *argv;
		argv += taken ? taken : 1;
	}
	if (arguments->count < subcommand->least)
		return usage_wrong(subcommand, "an argument is missing", "");
	if (arguments->count > subcommand->most)
		return usage_wrong(
			subcommand, "one word too many: ", arguments->words[arguments->count - 1]);
	return -1;
}

/* ---- the job --------------------------------------------------------------------------- */

static struct conf *conf_read(const char *path)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_load(path, &errors);
	for (size_t i = 0; !conf && i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	conf_errors_clear(&errors);
	return conf;
}

static int complain(const struct job *job)
{
	fprintf(stderr, "ferrule: %s\n", job->error.text);
	return 1;
}

/* Only what goes over the network needs one. */
static void context_fill(struct job *job)
{
	struct account account = {0};
	bool found =
		account_find(job->conf, &account, job->account_error, sizeof job->account_error);
	job->context = (struct pki_context){
		.interaction = &operator_interaction,
		.account = {.is_set = account.change,
			.missing = found ? NULL : job->account_error,
			.uid = account.uid,
			.gid = account.gid,
			.helper = "/proc/self/exe"},
	};
}

static int job_prepare(struct job *job, const struct subcommand *subcommand)
{
	const struct arguments *arguments = job->arguments;
	if (trustpoints_init(&job->trustpoints, job->conf)) {
		snprintf(job->error.text, sizeof job->error.text, "out of memory");
		return -1;
	}
	if (!subcommand->is_of_label) {
		job->trustpoint = trustpoints_find(&job->trustpoints, arguments->words[0]);
		if (!job->trustpoint) {
			snprintf(job->error.text, sizeof job->error.text,
				"%s has no trustpoint \"%s\"; add it to trustpoints",
				arguments->config, arguments->words[0]);
			return -1;
		}
	}
	if (arguments->password_file &&
		operator_read_password(arguments->password_file, &job->password, &job->error))
		return -1;
	job->given = arguments->password_file ? &job->password : NULL;
	context_fill(job);
	return 0;
}

static int job_run(const struct subcommand *subcommand, const struct arguments *arguments)
{
	struct job job = {.arguments = arguments, .conf = conf_read(arguments->config)};
	if (!job.conf)
		return 1;
	privileges_no_dumps();
	int status = job_prepare(&job, subcommand) ? complain(&job) : subcommand->run(&job);
	pki_secret_wipe(&job.password);
	trustpoints_done(&job.trustpoints);
	conf_free(job.conf);
	return status;
}

static bool has(const struct job *job, enum option option)
{
	return job->arguments->flags & option;
}

/* ---- keys -------------------------------------------------------------------------------- */

static int run_key_generate(struct job *job)
{
	const char *const *words = job->arguments->words;
	struct pki_key_parameters parameters = {
		.label = words[0],
		.usage = has(job, OPTION_USAGE_KEYS) ? PKI_USAGE_KEYS : PKI_USAGE_GENERAL,
		.exportable = has(job, OPTION_EXPORTABLE),
	};
	if (pki_key_parameters_parse(words[1], words[2], &parameters, &job->error) ||
		pki_key_generate(job->conf->state_directory, &parameters, &job->error))
		return complain(job);
	printf("The name for the keys will be: %s\n%% The key pair%s generated, %sexportable\n",
		words[0], parameters.usage == PKI_USAGE_KEYS ? "s were" : " was",
		parameters.exportable ? "" : "non-");
	return 0;
}

static int run_key_delete(struct job *job)
{
	const char *label = job->arguments->words[0];
	if (pki_key_delete(job->conf->state_directory, label, has(job, OPTION_YES), &job->context,
		    &job->error))
		return complain(job);
	printf("%% The key pair %s was removed\n", label);
	return 0;
}

/* ---- authenticate and enroll --------------------------------------------------------------- */

static int authenticate(struct job *job, const char *file)
{
	struct pki_authenticate_options options = {
		.fingerprint = job->arguments->fingerprint,
		.yes = has(job, OPTION_YES),
		.file = file,
	};
	return pki_authenticate(job->trustpoint, &options, &job->context, &job->error)
		       ? complain(job)
		       : 0;
}

static int run_authenticate(struct job *job)
{
	return authenticate(job, NULL);
}

static int run_enroll(struct job *job)
{
	struct pki_enroll_options options = {
		.password = job->given,
		.regenerate = has(job, OPTION_REGENERATE),
		.replace = has(job, OPTION_REPLACE),
	};
	enum pki_enrolled enrolled = PKI_ENROLLED_PENDING;
	if (pki_enroll(job->trustpoint, &options, &job->context, &enrolled, &job->error))
		return complain(job);
	if (enrolled != PKI_ENROLLED_PENDING)
		return 0;
	fprintf(stderr,
		"ferrule: the CA has not decided yet; ferrule pki enroll %s goes on with the "
		"request\n",
		job->trustpoint->name);
	return 1;
}

/* ---- import, export, verify ------------------------------------------------------------------ */

static int run_import(struct job *job)
{
	const char *what = job->arguments->words[1];
	struct pki_import_options options = {
		.file = job->arguments->count > 2 ? job->arguments->words[2] : NULL,
		.password = job->given,
		.exportable = has(job, OPTION_EXPORTABLE),
		.replace = has(job, OPTION_REPLACE),
	};
	int result;
	if (strcmp(what, "ca") == 0)
		return authenticate(job, options.file);
	if (strcmp(what, "certificate") == 0) {
		result = pki_import_certificate(
			job->trustpoint, &options, &job->context, &job->error);
	} else if (strcmp(what, "pkcs12") == 0) {
		result = pki_import_pkcs12(job->trustpoint, &options, &job->context, &job->error);
	} else {
		fprintf(stderr, "ferrule pki import: %s is not certificate, ca or pkcs12\n", what);
		return EXIT_USAGE;
	}
	return result ? complain(job) : 0;
}

static bool format_parse(const char *word, enum pki_format *format)
{
	static const struct {
		const char *word;
		enum pki_format format;
	} formats[] = {
		{"pem", PKI_FORMAT_PEM},
		{"der", PKI_FORMAT_DER},
		{"p7b", PKI_FORMAT_P7B},
		{"pkcs12", PKI_FORMAT_PKCS12},
	};
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		*format = formats[i].format;
		if (strcmp(word, formats[i].word) == 0)
			return true;
	}
	return false;
}

static int write_all(int fd, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, data, len);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		data += put;
		len -= (size_t)put;
	}
	return 0;
}

/* Beside it and renamed, so that a file others can read never has a key in it. */
static int write_file(const char *path, bool secret, const unsigned char *data, size_t len)
{
	char *fresh;
	if (asprintf(&fresh, "%s.%d", path, (int)getpid()) < 0)
		return -ENOMEM;
	int fd = open(
		fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, secret ? 0600 : 0644);
	int result = fd < 0 ? -errno : write_all(fd, data, len);
	if (result == 0 && fsync(fd))
		result = -errno;
	if (fd >= 0)
		close(fd);
	if (result == 0 && rename(fresh, path))
		result = -errno;
	if (result && fd >= 0)
		unlink(fresh);
	free(fresh);
	return result;
}

/* A device or a pipe (/dev/stdout, /dev/null) is written to: a file in its place would break it. */
static bool is_special(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

static int write_special(const char *path, const unsigned char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	int result = fd < 0 ? -errno : write_all(fd, data, len);
	if (fd >= 0)
		close(fd);
	return result;
}

static int export_write(struct job *job, const struct pki_export_options *options,
	const unsigned char *data, size_t len)
{
	const char *path = job->arguments->out;
	int result = !path              ? write_all(STDOUT_FILENO, data, len)
		     : is_special(path) ? write_special(path, data, len)
					: write_file(path, options->key, data, len);
	if (result == 0)
		return 0;
	fprintf(stderr, "ferrule: %s: %s\n", path ? path : "standard output", strerror(-result));
	return 1;
}

static int run_export(struct job *job)
{
	struct pki_export_options options = {
		.key = has(job, OPTION_KEY),
		.chain = has(job, OPTION_CHAIN),
		.legacy = has(job, OPTION_LEGACY),
		.password = job->given,
	};
	unsigned char *data = NULL;
	size_t len = 0;
	if (!format_parse(job->arguments->words[1], &options.format)) {
		fprintf(stderr, "ferrule pki export: %s is not pem, der, p7b or pkcs12\n",
			job->arguments->words[1]);
		return EXIT_USAGE;
	}
	if (options.legacy && options.format != PKI_FORMAT_PKCS12) {
		fputs("ferrule pki export: --legacy goes with pkcs12\n", stderr);
		return EXIT_USAGE;
	}
	if (!job->arguments->out && options.format != PKI_FORMAT_PEM && isatty(STDOUT_FILENO)) {
		fputs("ferrule pki export: binary data do not go to a terminal; name a file with "
		      "--out FILE\n",
			stderr);
		return 1;
	}
	if (pki_export(job->trustpoint, &options, &job->context, &data, &len, &job->error))
		return complain(job);
	int status = export_write(job, &options, data, len);
	OPENSSL_clear_free(data, len);
	return status;
}

static int run_verify(struct job *job)
{
	return pki_verify(job->trustpoint, job->arguments->words[1], &job->context, &job->error)
		       ? complain(job)
		       : 0;
}

/* ---- the subcommands ------------------------------------------------------------------- */

#define COMMON "  -c FILE                the configuration file\n"

static const struct subcommand subcommands[] = {
	{"key", "generate",
		"usage: ferrule pki key generate LABEL rsa BITS | ec CURVE [--usage-keys]\n"
		"                                [--exportable] [-c FILE]\n"
		"Makes a key pair that trustpoints name in key.label. BITS: 2048 to 4096; CURVE:\n"
		"P-256 or P-384.\n"
		"  --usage-keys           two pairs, for signatures and for encryption (RSA)\n"
		"  --exportable           ferrule pki export may give it out\n" COMMON,
		OPTION_USAGE_KEYS | OPTION_EXPORTABLE, 3, 3, true, run_key_generate},
	{"key", "delete",
		"usage: ferrule pki key delete LABEL [--yes] [-c FILE]\n"
		"Removes a key pair for which no trustpoint has a certificate or a request.\n"
		"  --yes                  without asking\n" COMMON,
		OPTION_YES, 1, 1, true, run_key_delete},
	{"authenticate", NULL,
		"usage: ferrule pki authenticate NAME [--fingerprint HEX] [--yes] [-c FILE]\n"
		"Gets the CA certificate of trustpoint NAME and keeps it once its fingerprint has\n"
		"been confirmed.\n"
		"  --fingerprint HEX      what it must be (SHA-256 or SHA-1); not asked about "
		"then\n"
		"  --yes                  the certificate of another CA may be replaced\n" COMMON,
		OPTION_FINGERPRINT | OPTION_YES, 1, 1, false, run_authenticate},
	{"enroll", NULL,
		"usage: ferrule pki enroll NAME [--password-file FILE] [--regenerate] [--replace]\n"
		"                          [-c FILE]\n"
		"Gets the certificate of trustpoint NAME, or goes on with a request that is out.\n"
		"  --password-file FILE   has the challenge password (SCEP), the password (EST)\n"
		"  --regenerate           with a new key pair\n"
		"  --replace              a certificate or request that is there may be "
		"replaced\n" COMMON,
		OPTION_PASSWORD_FILE | OPTION_REGENERATE | OPTION_REPLACE, 1, 1, false, run_enroll},
	{"import", NULL,
		"usage: ferrule pki import NAME certificate | ca | pkcs12 [FILE] [OPTIONS]\n"
		"                          [-c FILE]\n"
		"Brings the certificate of trustpoint NAME, its CA's, or one with its key.\n"
		"Without FILE what is imported is fetched, or pasted and ended by a blank line or\n"
		"the word \"quit\".\n"
		"  --fingerprint HEX      of the CA certificate\n"
		"  --yes                  the certificate of another CA may be replaced\n"
		"  --password-file FILE   has the password of the PKCS#12 file\n"
		"  --exportable           ferrule pki export may give the key of it out\n"
		"  --replace              a certificate that is there may be replaced\n" COMMON,
		OPTION_FINGERPRINT | OPTION_YES | OPTION_PASSWORD_FILE | OPTION_EXPORTABLE |
			OPTION_REPLACE,
		2, 3, false, run_import},
	{"export", NULL,
		"usage: ferrule pki export NAME pem | der | p7b | pkcs12 [--out FILE] [--key]\n"
		"                          [--chain] [--legacy] [--password-file FILE] [-c FILE]\n"
		"Writes a copy of the certificate of trustpoint NAME.\n"
		"  --out FILE             not to standard output; mode 0600 with a key in it\n"
		"  --key                  with the private key, if it is exportable\n"
		"  --chain                with the issuers, the CA certificate too\n"
		"  --legacy               PKCS#12 as old routers read it\n"
		"  --password-file FILE   has the password of the PKCS#12 file\n" COMMON,
		OPTION_OUT | OPTION_KEY | OPTION_CHAIN | OPTION_LEGACY | OPTION_PASSWORD_FILE, 2, 2,
		false, run_export},
	{"verify", NULL,
		"usage: ferrule pki verify NAME FILE [-c FILE]\n"
		"Is the first certificate in FILE one that trustpoint NAME trusts? NAME may be\n"
		"\"trustpool\", the system's CA certificates.\n" COMMON,
		0, 2, 2, false, run_verify},
};

#define SUBCOMMANDS (sizeof subcommands / sizeof *subcommands)

static const char usage[] = "usage: ferrule pki SUBCOMMAND ... [-c FILE]\n"
			    "Key pairs and certificates of the trustpoints. SUBCOMMAND is one of\n"
			    "  key generate   make a key pair that has a label\n"
			    "  key delete     remove one\n"
			    "  authenticate   get and confirm the CA certificate\n"
			    "  enroll         get the certificate\n"
			    "  import         bring a certificate, or a key with its certificate\n"
			    "  export         copies for other programs\n"
			    "  verify         is a certificate trusted?\n"
			    "ferrule pki SUBCOMMAND --help tells more.\n";

static const struct subcommand *subcommand_find(int argc, char **argv, int *words)
{
	for (size_t i = 0; i < SUBCOMMANDS; i++) {
		const struct subcommand *at = &subcommands[i];
		*words = at->more ? 2 : 1;
		if (argc <= *words || strcmp(argv[1], at->name) != 0)
			continue;
		if (!at->more || strcmp(argv[2], at->more) == 0)
			return at;
	}
	return NULL;
}

/* "ferrule pki --help" and "ferrule pki key --help" are none either. */
static int no_subcommand(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return 0;
		}
	}
	if (argc > 1)
		fprintf(stderr, "ferrule pki: \"%s%s%s\" is unknown or incomplete\n", argv[1],
			argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
	fputs(usage, stderr);
	return EXIT_USAGE;
}

int cmd_pki(int argc, char **argv)
{
	struct arguments arguments;
	int words;
	const struct subcommand *subcommand = subcommand_find(argc, argv, &words);
	if (!subcommand)
		return no_subcommand(argc, argv);
	int parsed = arguments_parse(&arguments, subcommand, argv + 1 + words);
	return parsed >= 0 ? parsed : job_run(subcommand, &arguments);
}

/* ---- show pki -------------------------------------------------------------------------- */

static const char show_usage[] =
	"usage: ferrule show pki certificates [NAME] [verbose] [--json] [-c FILE]\n"
	"       ferrule show pki trustpoints [NAME] [status] [--json] [-c FILE]\n"
	"       ferrule show pki keys [LABEL] [--json] [-c FILE]\n"
	"What is stored; no running instance is needed.\n"
	"  certificates   those of the trustpoints, their CAs and RAs; verbose: with\n"
	"                 keys, extensions and all fingerprints\n"
	"  trustpoints    where their certificates come from; status: how far each is\n"
	"  keys           the key pairs, without their private parts\n";

/* Words in any order: one of them may be the keyword, another a name. */
static bool show_words(
	const struct options *from, const char *keyword, bool *found, struct pki_show_options *to)
{
	for (int i = 2; i < from->what_count; i++) {
		if (keyword && strcmp(from->what[i], keyword) == 0)
			*found = true;
		else if (!to->name)
			to->name = from->what[i];
		else
			return false;
	}
	return true;
}

static int show_print(
	const struct options *from, const struct trustpoints *trustpoints, const struct conf *conf)
{
	struct pki_show_options to = {.json = from->json};
	struct pki_error error = {"unknown"};
	char *text = NULL;
	int result = EXIT_USAGE;
	if (strcmp(from->what[1], "certificates") == 0) {
		if (show_words(from, "verbose", &to.verbose, &to))
			result = pki_show_certificates(
				trustpoints->items, trustpoints->count, &to, &text, &error);
	} else if (strcmp(from->what[1], "trustpoints") == 0) {
		if (show_words(from, "status", &to.status, &to))
			result = pki_show_trustpoints(
				trustpoints->items, trustpoints->count, &to, &text, &error);
	} else if (strcmp(from->what[1], "keys") == 0 && show_words(from, NULL, NULL, &to)) {
		result = pki_show_keys(conf->state_directory, trustpoints->items,
			trustpoints->count, &to, &text, &error);
	}
	if (result == EXIT_USAGE)
		fprintf(stderr, "ferrule show pki: \"%s\" is unknown or has a word too many\n%s",
			from->what[1], show_usage);
	else if (result)
		fprintf(stderr, "ferrule: %s\n", error.text);
	else
		fputs(text, stdout);
	free(text);
	return result < 0 ? 1 : result;
}

int cmd_show_pki(int argc, char **argv)
{
	struct options from;
	struct trustpoints trustpoints;
	int parsed = options_parse(&from, argc, argv, show_usage);
	if (parsed >= 0)
		return parsed;
	if (from.what_count < 2) {
		fputs(show_usage, stderr);
		return EXIT_USAGE;
	}
	struct conf *conf = conf_read(from.config);
	if (!conf)
		return 1;
	int status = 1;
	privileges_no_dumps(); /* private keys are loaded too */
	if (trustpoints_init(&trustpoints, conf) == 0) {
		status = show_print(&from, &trustpoints, conf);
		trustpoints_done(&trustpoints);
	}
	conf_free(conf);
	return status;
}
