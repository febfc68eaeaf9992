#include "proxy/basic_auth.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  (1024 * 1024)
#define USERS_MAX 10000

#define CURE "make it anew with `htpasswd -B` or `openssl passwd -6`"

struct user {
	const char *name, *hash; /* in the text */
	unsigned line;
};

struct basic_auth {
	char *path;
	struct stat status;
	uint8_t id[BASIC_AUTH_ID_SIZE];
	char *text; /* the file, cut into strings; wiped in the end */
	size_t text_size;
	struct user *users; /* by name */
	size_t count;
	char warning[512];
};

/* Where a message goes while a file is being read. */
struct reading {
	const char *path;
	unsigned line;
	char *error;
	size_t error_size;
};

/* ---- hashes ----------------------------------------------------------------------- */

/* A kind of hash: how it begins, and how many characters follow the last '$'. */
struct kind {
	const char *prefix;
	size_t tail;
	const char *flaw; /* NULL: good */
};

/* crypt(5); the others are known so that the message can be clear. */
static const struct kind kinds[] = {
	{"$2a$", 53, NULL},
	{"$2b$", 53, NULL},
	{"$2y$", 53, NULL},
	{"$5$", 43, NULL},
	{"$6$", 86, NULL},
	{"$7$", 43, NULL},
	{"$gy$", 43, NULL},
	{"$y$", 43, NULL},
	{"$2x$", 0, "is bcrypt as a faulty program made it, which is not safe"},
	{"$apr1$", 0, "is Apache's own kind of MD5, which crypt(3) does not know"},
	{"$1$", 0, "is MD5, which is not safe any more"},
	{"{", 0, "is of a kind that crypt(3) does not know"},
};

static const struct kind *find_kind(const char *hash)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strncmp(hash, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return &kinds[i];
	return NULL;
}

static bool has_hash_characters(const char *text)
{
	return text[strspn(text, "./0123456789$=,"
				 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

/*
 * A password that takes minutes to check is as good as none: 2^16 rounds of bcrypt
 * are some five seconds, a million of SHA-2 one.
 */
static bool is_too_costly(const char *hash)
{
	static const char rounds[] = "$rounds=";
	if (hash[1] == '2')
		return strtoul(hash + 4, NULL, 10) > 16;
	const char *at = strstr(hash, rounds);
	return at && strtoul(at + strlen(rounds), NULL, 10) > 1000000;
}

/* What is wrong with a hash, as the end of a sentence; NULL: nothing. */
static const char *hash_flaw(const char *hash)
{
	const struct kind *kind = find_kind(hash);
	if (!*hash)
		return "is missing";
	if (!kind)
		return strlen(hash) == 13 && has_hash_characters(hash)
			       ? "is DES, which is not safe any more, or plain text"
			       : "is plain text or of a kind that crypt(3) does not know";
	if (kind->flaw)
		return kind->flaw;
	int salt = crypt_checksalt(hash);
	if (salt == CRYPT_SALT_METHOD_DISABLED)
		return "is of a kind that crypt(3) of this system has switched off";
	if (salt == CRYPT_SALT_INVALID || !has_hash_characters(hash) ||
		strlen(strrchr(hash, '$') + 1) != kind->tail)
		return "is damaged";
	return is_too_costly(hash) ? "takes more than seconds to check" : NULL;
}

/* ---- the file --------------------------------------------------------------------- */

static bool __attribute__((format(printf, 2, 3)))
refuse(const struct reading *reading, const char *format, ...)
{
	char text[512], place[16] = "";
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (reading->line)
		snprintf(place, sizeof place, ":%u", reading->line);
	snprintf(reading->error, reading->error_size, "%s%s: %s", reading->path, place, text);
	return false;
}

static bool has_control_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* Line by line; `hash` is "" when there is none, and NULL without a ':'. */
static bool user_check(const struct reading *reading, const char *name, const char *hash)
{
	if (!hash)
		return refuse(reading, "no ':'; a line is USER:HASH, as `htpasswd -B` writes it");
	if (!*name || strlen(name) > BASIC_AUTH_USER_MAX)
		return refuse(reading, "a user's name has 1 to %d bytes", BASIC_AUTH_USER_MAX);
	if (has_control_character(name))
		return refuse(reading, "a user's name has no control characters");
	const char *flaw = hash_flaw(hash);
	return !flaw || refuse(reading, "the password of %s %s; " CURE, name, flaw);
}

/* Cuts "USER:HASH:COMMENT" apart in its place. */
static bool user_add(struct basic_auth *auth, const struct reading *reading, char *line)
{
	char *rest = line, *name = strsep(&rest, ":"), *hash = strsep(&rest, ":");
	if (!user_check(reading, name, hash))
		return false;
	if (auth->count == USERS_MAX)
		return refuse(reading, "more than %d users; use several servers", USERS_MAX);
	auth->users[auth->count++] = (struct user){name, hash, reading->line};
	return true;
}

static char *without_space(char *line)
{
	line += strspn(line, " \t");
	size_t len = strlen(line);
	while (len > 0 && strchr(" \t\r", line[len - 1]))
		line[--len] = '\0';
	return line;
}

static int by_name(const void *a, const void *b)
{
	const struct user *left = a, *right = b;
	return strcmp(left->name, right->name);
}

static bool users_sort(struct basic_auth *auth, struct reading *reading)
{
	reading->line = 0;
	if (auth->count == 0)
		return refuse(reading, "there is no user in it; add one with `htpasswd -B`");
	qsort(auth->users, auth->count, sizeof *auth->users, by_name);
	for (size_t i = 1; i < auth->count; i++) {
		const struct user *one = &auth->users[i - 1], *other = &auth->users[i];
		if (strcmp(one->name, other->name) != 0)
			continue;
		bool in_order = one->line < other->line;
		reading->line = in_order ? other->line : one->line;
		return refuse(reading, "user %s is in line %u already; remove one of the two",
			one->name, in_order ? one->line : other->line);
	}
	return true;
}

static bool users_read(struct basic_auth *auth, struct reading *reading)
{
	char *rest = auth->text;
	if (memchr(rest, '\0', auth->text_size))
		return refuse(reading, "not a text file");
	auth->users = calloc(USERS_MAX, sizeof *auth->users);
	if (!auth->users)
		return refuse(reading, "out of memory");
	for (char *line; (line = strsep(&rest, "\n"));) {
		reading->line++;
		line = without_space(line);
		if (*line && *line != '#' && !user_add(auth, reading, line))
			return false;
	}
	return users_sort(auth, reading);
}

static bool file_read(struct basic_auth *auth, const struct reading *reading, int fd)
{
	size_t len = 0;
	if (!S_ISREG(auth->status.st_mode))
		return refuse(reading, "not a file");
	if (auth->status.st_size > FILE_MAX)
		return refuse(reading, "larger than 1 MiB; use several servers");
	auth->text_size = (size_t)auth->status.st_size;
	auth->text = malloc(auth->text_size + 1);
	if (!auth->text)
		return refuse(reading, "out of memory");
	while (len < auth->text_size) {
		ssize_t n = read(fd, auth->text + len, auth->text_size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(reading, "%s", strerror(errno));
		if (n == 0)
			return refuse(reading, "it is being changed; try again");
		len += (size_t)n;
	}
	auth->text[len] = '\0';
	return true;
}

static bool file_load(struct basic_auth *auth, const struct reading *reading)
{
	/* NONBLOCK: opening a FIFO would wait for its writer. */
	int fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool is_read = fd >= 0 && fstat(fd, &auth->status) == 0;
	if (!is_read)
		refuse(reading, "%s%s", strerror(errno),
			errno == ENOENT ? "; make it with `htpasswd -B -c FILE NAME`" : "");
	else
		is_read = file_read(auth, reading, fd);
	if (fd >= 0)
		close(fd);
	return is_read;
}

struct basic_auth *basic_auth_load(const char *path, char *error, size_t size)
{
	struct reading reading = {.path = path, .error = error, .error_size = size};
	struct basic_auth *auth = calloc(1, sizeof *auth);
	if (auth)
		auth->path = strdup(path);
	if (!auth || !auth->path || RAND_bytes(auth->id, sizeof auth->id) != 1) {
		refuse(&reading, "out of memory");
		goto out;
	}
	if (!file_load(auth, &reading) || !users_read(auth, &reading))
		goto out;
	if (auth->status.st_mode & S_IROTH)
		snprintf(auth->warning, sizeof auth->warning,
			"%s: everybody may read it; make it private with `chmod o-r`", path);
	return auth;
out:
	basic_auth_free(auth);
	return NULL;
}

void basic_auth_free(struct basic_auth *auth)
{
	if (!auth)
		return;
	if (auth->text)
		OPENSSL_cleanse(auth->text, auth->text_size);
	free(auth->text);
	free(auth->users);
	free(auth->path);
	free(auth);
}

const char *basic_auth_warning(const struct basic_auth *auth)
{
	return auth->warning;
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool basic_auth_is_stale(const struct basic_auth *auth)
{
	const struct stat *was = &auth->status;
	struct stat is;
	if (stat(auth->path, &is) < 0)
		return true;
	return is.st_dev != was->st_dev || is.st_ino != was->st_ino || is.st_size != was->st_size ||
	       !is_same_time(&is.st_mtim, &was->st_mtim) ||
	       !is_same_time(&is.st_ctim, &was->st_ctim);
}

const uint8_t *basic_auth_id(const struct basic_auth *auth)
{
	return auth->id;
}

/* ---- credentials (RFC 7617 2) ------------------------------------------------------- */

/* The most that user, ':' and password come to, and their base64. */
#define PAIR_MAX    (BASIC_AUTH_USER_MAX + 1 + BASIC_AUTH_PASSWORD_MAX)
#define ENCODED_MAX ((PAIR_MAX + 2) / 3 * 4)

/* What comes behind "Basic"; scheme names have no case (RFC 9110 11.1). */
static bool cut_scheme(struct http_span *authorization)
{
	struct http_span scheme;
	if (!authorization->data || !http_span_cut(authorization, ' ', &scheme) ||
		!http_span_is_nocase(scheme, "Basic"))
		return false;
	*authorization = http_span_trim(*authorization);
	return true;
}

/*
 * Strict base64 (RFC 4648 3.5, 4): only what encodes to the very same text again,
 * which leaves no room for spaces, missing padding or bits behind the end. Returns
 * the length, -1 for anything else.
 */
static int decode(struct http_span text, uint8_t decoded[ENCODED_MAX])
{
	uint8_t encoded[ENCODED_MAX + 1];
	const uint8_t *data = (const uint8_t *)text.data;
	if (text.len == 0 || text.len > ENCODED_MAX || text.len % 4 != 0)
		return -1;
	int len = EVP_DecodeBlock(decoded, data, (int)text.len);
	if (len < 0)
		return -1;
	for (size_t i = text.len; i > text.len - 2 && data[i - 1] == '='; i--)
		len--; /* EVP_DecodeBlock() makes zeros of the padding */
	EVP_EncodeBlock(encoded, decoded, len);
	bool is_same = memcmp(encoded, data, text.len) == 0;
	OPENSSL_cleanse(encoded, sizeof encoded);
	return is_same ? len : -1;
}

/* Neither has control characters (RFC 7617 2), and so no NUL. */
static bool copy(struct http_span from, char *to, size_t limit)
{
	if (from.len > limit)
		return false;
	memcpy(to, from.data, from.len);
	to[from.len] = '\0';
	return strlen(to) == from.len && !has_control_character(to);
}

bool basic_auth_parse(struct http_span authorization, char user[BASIC_AUTH_USER_MAX + 1],
	char password[BASIC_AUTH_PASSWORD_MAX + 1])
{
	uint8_t decoded[ENCODED_MAX];
	int len = cut_scheme(&authorization) ? decode(authorization, decoded) : -1;
	struct http_span rest = {.data = (char *)decoded, .len = len > 0 ? (size_t)len : 0}, name;
	user[0] = password[0] = '\0';
	bool is_sound = len > 0 && http_span_cut(&rest, ':', &name) && name.len > 0 &&
			copy(name, user, BASIC_AUTH_USER_MAX) &&
			copy(rest, password, BASIC_AUTH_PASSWORD_MAX);
	OPENSSL_cleanse(decoded, sizeof decoded);
	if (!is_sound)
		OPENSSL_cleanse(password, BASIC_AUTH_PASSWORD_MAX + 1);
	return is_sound;
}

/* ---- the check -------------------------------------------------------------------- */

int basic_auth_check(const struct basic_auth *auth, const char *user, const char *password,
	struct crypt_data *scratch)
{
	const struct user key = {.name = user};
	const struct user *known =
		bsearch(&key, auth->users, auth->count, sizeof *auth->users, by_name);
	/* Neither the time nor the answer tells that there is no such user. */
	const char *expected = known ? known->hash : auth->users[0].hash;
	const char *hash = crypt_rn(password, expected, scratch, sizeof *scratch);
	if (!hash)
		return errno > 0 ? -errno : -EINVAL;
	size_t len = strlen(expected);
	bool is_equal = strlen(hash) == len && CRYPTO_memcmp(hash, expected, len) == 0;
	return is_equal & (known != NULL);
}
