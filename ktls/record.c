#include "ktls/record.h"

#include "ktls/alert.h"

#include <assert.h>
#include <string.h>

#define EXPLICIT_NONCE 8

int ktls_aead_init(struct ktls_aead *aead, const struct ktls_crypto *crypto,
	enum ktls_version version, enum ktls_cipher cipher, const struct ktls_keys *keys,
	enum ktls_direction direction, uint64_t sequence)
{
	const struct ktls_aead_ops *ops = crypto->aead[cipher];
	void *key = ops->key_new(crypto, cipher, keys->key, direction);
	if (!key)
		return -1;
	ktls_aead_done(aead);
	aead->ops = ops;
	aead->key = key;
	aead->sequence = sequence;
	memcpy(aead->iv, keys->iv, sizeof aead->iv);
	aead->version = (uint8_t)version;
	aead->cipher = (uint8_t)cipher;
	return 0;
}

void ktls_aead_done(struct ktls_aead *aead)
{
	if (aead->key)
		aead->ops->key_free(aead->key);
	aead->key = NULL;
	OPENSSL_cleanse(aead->iv, sizeof aead->iv);
}

static bool has_explicit_nonce(const struct ktls_aead *aead)
{
	return aead->version == KTLS_TLS12 && ktls_cipher_parameters[aead->cipher].explicit_nonce;
}

size_t ktls_aead_overhead(const struct ktls_aead *aead)
{
	if (aead->version == KTLS_TLS13)
		return KTLS_RECORD_HEADER + 1 + KTLS_TAG_SIZE;
	return KTLS_RECORD_HEADER + KTLS_TAG_SIZE + (has_explicit_nonce(aead) ? EXPLICIT_NONCE : 0);
}

static void put_be64(uint8_t *out, uint64_t value)
{
	for (int i = 7; i >= 0; i--) {
		out[i] = (uint8_t)value;
		value >>= 8;
	}
}

static void put_header(uint8_t *out, uint8_t type, size_t len)
{
	out[0] = type;
	out[1] = 3;
	out[2] = 3;
	out[3] = (uint8_t)(len >> 8);
	out[4] = (uint8_t)len;
}

/* Salt and explicit part (RFC 5288 3), or IV xor sequence (RFC 8446 5.3, RFC 7905 2). */
static void make_nonce(const struct ktls_aead *aead, const uint8_t *explicit, uint8_t *nonce)
{
	memcpy(nonce, aead->iv, KTLS_IV_SIZE);
	if (explicit) {
		memcpy(nonce + 4, explicit, EXPLICIT_NONCE);
		return;
	}
	uint8_t sequence[8];
	put_be64(sequence, aead->sequence);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= sequence[i];
}

/* RFC 5246 6.2.3.3, RFC 8446 5.2. */
static void make_additional_data(const struct ktls_aead *aead, uint8_t type, size_t wire_len,
	struct ktls_aead_message *message)
{
	uint8_t *out = message->additional;
	message->additional_len = KTLS_RECORD_HEADER;
	if (aead->version == KTLS_TLS13) {
		put_header(out, KTLS_RECORD_DATA, wire_len);
		return;
	}
	put_be64(out, aead->sequence);
	put_header(out + 8, type, message->len);
	message->additional_len += 8;
}

int ktls_aead_seal(struct ktls_aead *aead, enum ktls_record_type type, const uint8_t *data,
	size_t len, uint8_t *out)
{
	assert(out && len <= KTLS_RECORD_PLAINTEXT);
	bool inner_type = aead->version == KTLS_TLS13;
	uint8_t *explicit = has_explicit_nonce(aead) ? out + KTLS_RECORD_HEADER : NULL;
	uint8_t *body = out + KTLS_RECORD_HEADER + (explicit ? EXPLICIT_NONCE : 0);
	size_t wire_len = len + ktls_aead_overhead(aead) - KTLS_RECORD_HEADER;
	struct ktls_aead_message message = {.data = data, .len = len};
	const uint8_t type_byte = (uint8_t)type;

	put_header(out, inner_type ? KTLS_RECORD_DATA : type_byte, wire_len);
	if (explicit)
		put_be64(explicit, aead->sequence);
	make_nonce(aead, explicit, message.nonce);
	make_additional_data(aead, type_byte, wire_len, &message);
	if (!aead->ops->seal(aead->key, &message, inner_type ? &type_byte : NULL, body))
		return -1;
	aead->sequence++;
	return (int)(KTLS_RECORD_HEADER + wire_len);
}

int ktls_record_length(const struct ktls_aead *aead, const uint8_t *header)
{
	size_t wire_len = (size_t)header[3] << 8 | header[4];
	if (header[0] < KTLS_RECORD_CHANGE_CIPHER_SPEC || header[0] > KTLS_RECORD_DATA ||
		(aead->version == KTLS_TLS13 && header[0] != KTLS_RECORD_DATA))
		return -KTLS_ALERT_UNEXPECTED_MESSAGE;
	if (header[1] != 3 || header[2] != 3)
		return -KTLS_ALERT_PROTOCOL_VERSION;
	/* RFC 8446 5.2: 2^14 + 256; RFC 5246 6.2.3 allows 2^14 + 2048, an AEAD never needs it. */
	if (wire_len > KTLS_RECORD_PLAINTEXT + 256)
		return -KTLS_ALERT_RECORD_OVERFLOW;
	if (wire_len + KTLS_RECORD_HEADER < ktls_aead_overhead(aead))
		return -KTLS_ALERT_BAD_RECORD_MAC;
	return (int)(KTLS_RECORD_HEADER + wire_len);
}

/* Strips padding and type of a TLSInnerPlaintext (RFC 8446 5.4). */
static int inner_plaintext(const uint8_t *out, size_t len, uint8_t *type)
{
	while (len > 0 && out[len - 1] == 0)
		len--;
	if (len == 0)
		return -KTLS_ALERT_UNEXPECTED_MESSAGE;
	*type = out[len - 1];
	return (int)(len - 1);
}

int ktls_aead_open(
	struct ktls_aead *aead, const uint8_t *record, size_t len, uint8_t *out, uint8_t *type)
{
	assert(record && out);
	const uint8_t *explicit = has_explicit_nonce(aead) ? record + KTLS_RECORD_HEADER : NULL;
	const uint8_t *body = record + KTLS_RECORD_HEADER + (explicit ? EXPLICIT_NONCE : 0);
	size_t body_len = len - (size_t)(body - record) - KTLS_TAG_SIZE;
	struct ktls_aead_message message = {.data = body, .len = body_len};
	make_nonce(aead, explicit, message.nonce);
	make_additional_data(aead, record[0], len - KTLS_RECORD_HEADER, &message);
	if (!aead->ops->open(aead->key, &message, out))
		return -KTLS_ALERT_BAD_RECORD_MAC;
	aead->sequence++;

	/* RFC 8446 5.4: content, type and padding together are at most 2^14 + 1 bytes. */
	bool has_inner_type = aead->version == KTLS_TLS13;
	if (body_len > KTLS_RECORD_PLAINTEXT + (size_t)has_inner_type)
		return -KTLS_ALERT_RECORD_OVERFLOW;
	*type = record[0];
	return has_inner_type ? inner_plaintext(out, body_len, type) : (int)body_len;
}
