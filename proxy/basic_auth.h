/*
 * Who may use a server with a password: an htpasswd file, and the "Basic"
 * credentials of RFC 7617. Checking a password takes tens of milliseconds on
 * purpose; auth_verifier.h does it beside the loop.
 */
#ifndef FERRULE_PROXY_BASIC_AUTH_H
#define FERRULE_PROXY_BASIC_AUTH_H

#include "proxy/http_span.h"

#define BASIC_AUTH_USER_MAX     512 /* bytes */
#define BASIC_AUTH_PASSWORD_MAX 511 /* bytes: crypt(3)'s own limit */
#define BASIC_AUTH_ID_SIZE      16

struct crypt_data;
struct basic_auth;

/*
 * Reads a file of "USER:HASH" lines (what follows a further ':' is a comment, as are
 * lines that begin with '#'). Hashes are those that crypt(3) makes safely: bcrypt,
 * SHA-256 and SHA-512, yescrypt, gost-yescrypt, scrypt. NULL with a sentence in
 * `error`, that begins "FILE:LINE: " or "FILE: " and says what to do.
 */
struct basic_auth *basic_auth_load(const char *path, char *error, size_t size);
void basic_auth_free(struct basic_auth *auth);

/* A sentence about a file that everybody may read, or "". */
const char *basic_auth_warning(const struct basic_auth *auth);
/* Is the file another one by now (inode, size or times), or gone? */
bool basic_auth_is_stale(const struct basic_auth *auth);

/* Random, of this load of the file: BASIC_AUTH_ID_SIZE bytes. */
const uint8_t *basic_auth_id(const struct basic_auth *auth);

/*
 * Takes the value of an Authorization header apart: false unless it is "Basic" and
 * strict base64 of "user:password", both within their limits, a user at all, and
 * without control characters. `password` is wiped then; in the end the caller does it.
 */
bool basic_auth_parse(struct http_span authorization, char user[BASIC_AUTH_USER_MAX + 1],
	char password[BASIC_AUTH_PASSWORD_MAX + 1]);

/*
 * Does the user exist, with this password? 1 or 0; -errno when crypt(3) failed, for
 * want of memory. Blocks, as long for an unknown user as for the first of the file.
 * `scratch` is zeroed before its first use and wiped by the caller at the end.
 */
int basic_auth_check(const struct basic_auth *auth, const char *user, const char *password,
	struct crypt_data *scratch);

#endif
