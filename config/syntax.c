#include "config/syntax.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

#define NAME_LENGTH_MAX     64
#define ACCOUNT_LENGTH_MAX  32  /* useradd(8) */
#define LABEL_LENGTH_MAX    63  /* RFC 1035 2.3.4 */
#define DOMAIN_LENGTH_MAX   253 /* the same, as text without the last dot */
#define URL_PATH_LENGTH_MAX 1024
#define HEADER_LENGTH_MAX   4096
#define REALM_LENGTH_MAX    128
#define URL_LENGTH_MAX      1024
#define TEXT_LENGTH_MAX     255
#define COMMAND_LENGTH_MAX  16384
#define SHA1_DIGITS         40
#define SHA256_DIGITS       64

static bool is_made_of(const char *text, const char *characters, size_t longest)
{
	size_t len = strspn(text, characters);

	return len > 0 && len <= longest && text[len] == '\0';
}

/* Trustpoints name files of the state directory: no "..", nothing hidden. */
static bool is_name(const char *text)
{
	return isalnum((unsigned char)*text) &&
	       is_made_of(text, LETTERS DIGITS "-_.", NAME_LENGTH_MAX);
}

static bool is_account(const char *text)
{
	return *text != '-' && is_made_of(text, LETTERS DIGITS "-_.", ACCOUNT_LENGTH_MAX);
}

static bool is_path(const char *text)
{
	return *text != '\0' && strlen(text) < PATH_MAX;
}

static bool is_host_label(const char *text)
{
	return *text != '-' && is_made_of(text, LETTERS DIGITS "-", LABEL_LENGTH_MAX) &&
	       text[strlen(text) - 1] != '-';
}

static bool is_domain(const char *text)
{
	char label[LABEL_LENGTH_MAX + 1];

	if (strlen(text) > DOMAIN_LENGTH_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(text, ".");
		if (len > LABEL_LENGTH_MAX)
			return false;
		memcpy(label, text, len);
		label[len] = '\0';
		if (!is_host_label(label))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

static bool is_domain_or_empty(const char *text)
{
	return *text == '\0' || is_domain(text);
}

static bool is_log_target(const char *text)
{
	if (*text == '/')
		return is_path(text);
	return strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0;
}

/* No IPv4-mapped addresses: listeners for "::" set IPV6_V6ONLY. */
static bool is_address(const char *text)
{
	struct in_addr ipv4;
	struct in6_addr ipv6;

	if (inet_pton(AF_INET, text, &ipv4) == 1)
		return true;
	return inet_pton(AF_INET6, text, &ipv6) == 1 && !IN6_IS_ADDR_V4MAPPED(&ipv6);
}

static bool is_absolute_path(const char *text)
{
	return *text == '/' && is_path(text);
}

/* A single name: ':' and '@' would be a whole expression for OpenSSL. */
static bool is_ciphersuite(const char *text)
{
	return isalnum((unsigned char)*text) &&
	       is_made_of(text, LETTERS DIGITS "-_", NAME_LENGTH_MAX);
}

static bool is_dns_name(const char *text)
{
	/* RFC 6125 6.4.3: a wildcard is the whole leftmost label. */
	return is_domain(strncmp(text, "*.", 2) == 0 ? text + 2 : text);
}

static bool is_alt_name(const char *text)
{
	return is_address(text) || is_dns_name(text);
}

/* RFC 6066 3: clients do not send addresses. */
static bool is_server_name(const char *text)
{
	return !is_address(text) && is_dns_name(text);
}

/* What RFC 3986 3.3 has in a path is visible ASCII; '?' and '#' would end it. */
static bool is_url_path(const char *text)
{
	if (*text != '/' || strlen(text) > URL_PATH_LENGTH_MAX)
		return false;
	for (; *text; text++) {
		if (!isgraph((unsigned char)*text) || strchr("?#", *text))
			return false;
	}
	return true;
}

static bool has_control(const char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			return true;
	}
	return false;
}

/* RFC 9110 5.1 and 5.5. */
static bool is_header(const char *text)
{
	size_t len = strspn(text, LETTERS DIGITS "!#$%&'*+-.^_`|~");
	const char *value = text + len + strlen(": ");

	if (len == 0 || strncmp(text + len, ": ", strlen(": ")) != 0)
		return false;
	return *value != '\0' && *value != ' ' && !has_control(value) &&
	       value[strlen(value) - 1] != ' ' && strlen(text) <= HEADER_LENGTH_MAX;
}

/* It is sent in quotes: RFC 9110 11.5 and 5.6.4. */
static bool is_realm(const char *text)
{
	return *text != '\0' && strlen(text) <= REALM_LENGTH_MAX && !strpbrk(text, "\"\\") &&
	       !has_control(text);
}

static bool is_visible(const char *text, size_t longest)
{
	size_t len = 0;

	while (isgraph((unsigned char)text[len]))
		len++;
	return len > 0 && len <= longest && text[len] == '\0';
}

/* What follows the scheme, or NULL when it is another one. */
static const char *behind_scheme(const char *text, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncasecmp(text, scheme, len) == 0 ? text + len : NULL;
}

/* RFC 3986 3.2; user names and passwords do not belong into a file that many may read. */
static bool is_authority(const char *text)
{
	size_t len = strcspn(text, "/?#");

	return len > 0 && !memchr(text, '@', len);
}

static bool is_url(const char *text)
{
	static const char *const schemes[] = {"http://", "https://", "tftp://"};
	const char *path = behind_scheme(text, "file://");

	if (!is_visible(text, URL_LENGTH_MAX))
		return false;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const char *rest = behind_scheme(text, schemes[i]);
		if (rest)
			return is_authority(rest);
	}
	return *(path ? path : text) == '/';
}

static bool is_profile_url(const char *text)
{
	return strcmp(text, "terminal") == 0 || is_url(text);
}

static bool is_http_proxy(const char *text)
{
	const char *rest = behind_scheme(text, "http://");

	return rest && is_visible(text, URL_LENGTH_MAX) && is_authority(rest) &&
	       rest[strcspn(rest, "/?#")] == '\0';
}

static bool is_source_interface(const char *text)
{
	return is_visible(text, NAME_LENGTH_MAX) && !strpbrk(text, "/!");
}

/* RFC 7617 2: no colon. */
static bool is_username(const char *text)
{
	return *text != '\0' && strlen(text) <= TEXT_LENGTH_MAX && !strchr(text, ':') &&
	       !has_control(text);
}

static bool is_fingerprint(const char *text)
{
	size_t digits = 0;

	for (; *text; text++) {
		if (isxdigit((unsigned char)*text))
			digits++;
		else if (!strchr(": ", *text))
			return false;
	}
	return digits == SHA1_DIGITS || digits == SHA256_DIGITS;
}

/* pki/ takes it apart; what no subject name can look like is refused here already. */
static bool is_subject_name(const char *text)
{
	size_t len = strspn(text, LETTERS DIGITS ".");

	return len > 0 && strspn(text + len, " ") + len < strlen(text) &&
	       text[len + strspn(text + len, " ")] == '=' && strlen(text) <= URL_LENGTH_MAX &&
	       !has_control(text);
}

static bool is_fqdn(const char *text)
{
	return strcmp(text, "none") == 0 || is_server_name(text);
}

static bool is_command(const char *text)
{
	return *text != '\0' && strlen(text) <= COMMAND_LENGTH_MAX;
}

static bool is_parameter(const char *text)
{
	return *text != '\0' && strlen(text) <= TEXT_LENGTH_MAX && !has_control(text);
}

/* clang-format off */
const struct conf_syntax conf_syntax_name = {
	"1 to 64 letters, digits, '-', '_' or '.', the first a letter or digit", is_name };
const struct conf_syntax conf_syntax_account = {
	"the name of an account: 1 to 32 letters, digits, '-', '_' or '.'", is_account };
const struct conf_syntax conf_syntax_path = { "a path", is_path };
const struct conf_syntax conf_syntax_host_label = {
	"a host name up to its first dot (domain_name has the rest)", is_host_label };
const struct conf_syntax conf_syntax_domain = {
	"a domain name such as \"example.com\", or empty", is_domain_or_empty };
const struct conf_syntax conf_syntax_log_target = {
	"\"stderr\", \"syslog\" or an absolute path", is_log_target };
const struct conf_syntax conf_syntax_address = {
	"numeric, such as \"192.0.2.1\" or \"2001:db8::1\"", is_address };
const struct conf_syntax conf_syntax_ciphersuite = {
	"the name of one cipher suite, such as \"TLS_AES_128_GCM_SHA256\"", is_ciphersuite };
const struct conf_syntax conf_syntax_alt_name = {
	"a DNS name or a numeric address", is_alt_name };
const struct conf_syntax conf_syntax_absolute_path = {
	"an absolute path, or empty", is_absolute_path };
const struct conf_syntax conf_syntax_server_name = {
	"a DNS name such as \"www.example.com\" or \"*.example.com\"", is_server_name };
const struct conf_syntax conf_syntax_url_path = {
	"a path of at most 1024 visible characters that begins with '/', without '?' and '#'",
	is_url_path };
const struct conf_syntax conf_syntax_header = {
	"\"NAME: VALUE\" of at most 4096 bytes, without control characters", is_header };
const struct conf_syntax conf_syntax_realm = {
	"at most 128 bytes without '\"', '\\' and control characters", is_realm };
const struct conf_syntax conf_syntax_url = {
	"a URL (http, https, tftp or file) without a user name, or an absolute path", is_url };
const struct conf_syntax conf_syntax_profile_url = {
	"a URL (http, https, tftp or file) without a user name, or \"terminal\"", is_profile_url };
const struct conf_syntax conf_syntax_http_proxy = { "http://HOST:PORT", is_http_proxy };
const struct conf_syntax conf_syntax_source_interface = {
	"the name of an interface or a numeric address", is_source_interface };
const struct conf_syntax conf_syntax_username = {
	"at most 255 bytes without ':' and control characters", is_username };
const struct conf_syntax conf_syntax_fingerprint = {
	"the 64 hexadecimal digits of SHA-256, or the 40 of SHA-1 (MD5 can be forged)",
	is_fingerprint };
const struct conf_syntax conf_syntax_subject_name = {
	"like \"CN=router1.example.com, O=Example\"", is_subject_name };
const struct conf_syntax conf_syntax_fqdn = { "a DNS name, or \"none\"", is_fqdn };
const struct conf_syntax conf_syntax_command = {
	"like \"GET /ca.der\" or \"POST request=$REQ\"", is_command };
const struct conf_syntax conf_syntax_parameter = {
	"at most 255 bytes without control characters", is_parameter };
/* clang-format on */
