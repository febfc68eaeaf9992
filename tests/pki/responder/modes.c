#include "tests/pki/responder/modes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct {
	const char *name, *meaning;
} known[] = {
	/* which CA answers */
	{"ra", "an RA with separate signing and encryption certificates answers"},
	{"ra-reversed", "the same, its certificates in the opposite order"},
	{"foreign", "GetCACert, /cacerts: with a certificate of the rogue CA in the bag"},
	{"tier", "an intermediate CA issues"},
	{"with-root", "EST /cacerts and certificate answers have the root too"},
	{"no-signer", "the signer's certificate is not in SCEP replies"},
	{"crl-dp", "issued certificates name a CRL distribution point"},
	{"challenge", "SCEP: the challenge password must be s3cret"},
	{"credential", "a certificate of the rogue CA proves who asks: nobody else is served"},
	{"renewal-as-pkcsreq", "SCEP: RenewalReq is refused"},
	/* capabilities */
	{"caps-empty", "GetCACaps: nothing"},
	{"caps-404", "GetCACaps: an HTTP error"},
	{"caps-crlf", "GetCACaps: lines end in CR LF, odd case, unknown words"},
	{"caps-old", "GetCACaps: DES3 and SHA-1 only, no POST"},
	{"caps-get", "GetCACaps: no POSTPKIOperation; POST is refused"},
	/* protection of SCEP replies */
	{"des", "single DES"},
	{"des3", "triple DES"},
	{"sha1", "signed over SHA-1"},
	/* not at once */
	{"pending-N", "SCEP: N messages of a transaction are answered PENDING"},
	{"wait-N", "EST: N requests are answered 202 with Retry-After: 1"},
	{"wait-date", "EST: that Retry-After is a date"},
	{"repeat", "SCEP: a transaction that was answered gets the same certificate again"},
	/* no */
	{"fail-N", "SCEP: FAILURE with failInfo N"},
	{"fail-bare", "SCEP: FAILURE without failInfo"},
	{"fail-text", "SCEP: with a failInfoText"},
	{"refuse", "EST, template: 403 with a text"},
	{"busy", "EST: 503 with Retry-After: 1"},
	/* EST */
	{"newlines", "base64 has newlines"},
	{"no-smime", "Content-Type without smime-type"},
	{"cte", "Content-Transfer-Encoding: base64"},
	{"basic", "user est, password s3cret, or a client certificate"},
	{"need-cert", "a client certificate of ours is needed"},
	{"csrattrs-none", "204 to /csrattrs"},
	/* template */
	{"pem", "answers in PEM"},
	{"p7", "answers in PKCS#7"},
	{"base64", "answers in base64"},
	/* lies in an issued certificate or the answer that holds it */
	{"wrong-nonce", "recipientNonce is another"},
	{"no-nonce", "recipientNonce is missing"},
	{"wrong-transaction", "transactionID is another"},
	{"wrong-type", "messageType is not CertRep"},
	{"wrong-status", "pkiStatus is 9"},
	{"unpinned", "signed by a CA of the same name with another key"},
	{"bad-signature", "the signature is broken"},
	{"wrong-envelope", "encrypted to somebody else"},
	{"other-key", "the certificate is for another key"},
	{"other-subject", "the certificate is for another subject"},
	{"other-san", "the certificate is for other names"},
	{"other-issuer", "the certificate is issued by a CA of the same name with another key"},
	{"expired", "the certificate has expired"},
	{"not-yet", "the certificate will be valid in two days"},
	{"ahead", "the certificate will be valid in two minutes"},
	{"client-only", "the certificate has extendedKeyUsage clientAuth only"},
	{"ca-true", "the certificate is a CA's"},
	{"two", "two certificates for the key"},
	{"empty", "no certificate"},
	{"old", "the certificate that is to be renewed"},
	{"trailing", "bytes behind the structure"},
	{"truncated", "half of it"},
	/* a broken server, in the way of enrollment; with ca- before it: of the CA's certificate */
	{"html", "an HTML page"},
	{"http-500", "status 500"},
	{"huge", "1 GiB"},
	{"endless", "no length and no end"},
	{"redirect", "an endless redirect"},
	{"downgrade", "a redirect to plain HTTP"},
	{"reset", "a reset connection"},
	{"hang", "no answer"},
	{"nothing", "an empty body"},
	{"slow", "one byte a second"},
};
/* clang-format on */

static bool matches(const char *name, const char *word)
{
	size_t len = strlen(name);

	if (len > 2 && strcmp(name + len - 2, "-N") == 0)
		return strncmp(word, name, len - 1) == 0 && isdigit((unsigned char)word[len - 1]);
	return strcmp(name, word) == 0;
}

static bool is_known(const char *word)
{
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (matches(known[i].name, word))
				return true;
		if (strncmp(word, "ca-", 3) != 0)
			return false;
		word += 3;
	}
	return false;
}

bool modes_add(struct modes *modes, const char *list, char unknown[32])
{
	while (*list != '\0') {
		size_t len = strcspn(list, ",");
		char word[32];

		snprintf(word, sizeof(word), "%.*s", (int)len, list);
		if (len > 0 && (!is_known(word) || modes->count == MODES_MAX)) {
			memcpy(unknown, word, sizeof(word));
			return false;
		}
		if (len > 0)
			memcpy(modes->words[modes->count++], word, sizeof(word));
		list += len;
		if (*list == ',')
			list++;
	}
	return true;
}

bool modes_has(const struct modes *modes, const char *name)
{
	for (size_t i = 0; i < modes->count; i++)
		if (strcmp(modes->words[i], name) == 0)
			return true;
	return false;
}

long modes_number(const struct modes *modes, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < modes->count; i++) {
		const char *word = modes->words[i];

		if (strncmp(word, name, len) == 0 && word[len] == '-' &&
			isdigit((unsigned char)word[len + 1]))
			return strtol(word + len + 1, NULL, 10);
	}
	return -1;
}

void modes_describe(FILE *out)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		fprintf(out, "  %-19s %s\n", known[i].name, known[i].meaning);
}
