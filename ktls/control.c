/*
 * What a session does about control records, whichever engine carries them:
 * alerts, KeyUpdate, close_notify, floods, and the limit of records under a key.
 */
#include "ktls/session.h"

#include "ktls/alert.h"
#include "ktls/kernel.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HANDSHAKE_KEY_UPDATE 24

__attribute__((format(printf, 2, 0))) static void keep_error(
	struct ktls_session *session, const char *format, va_list arguments)
{
	if (!session->error && vasprintf(&session->error, format, arguments) < 0)
		session->error = NULL;
}

enum ktls_status ktls_fail(struct ktls_session *session, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	keep_error(session, format, arguments);
	va_end(arguments);
	return KTLS_FAILED;
}

/* Seals into `reply`, or hands to the kernel; DONE, WANT_WRITE or FAILED. */
static enum ktls_status control_send(struct ktls_session *session, enum ktls_record_type type,
	const uint8_t *data, size_t len, struct ktls_output *reply)
{
	struct ktls_side *tx = &session->side[KTLS_TX];
	if (tx->engine == KTLS_ENGINE_AEAD) {
		if (reply->size - reply->len < len + ktls_aead_overhead(&tx->aead))
			return KTLS_WANT_WRITE;
		int n = ktls_aead_seal(&tx->aead, type, data, len, reply->data + reply->len);
		if (n < 0)
			return ktls_fail(session, "sealing a control record failed");
		reply->len += (size_t)n;
		return KTLS_DONE;
	}
	assert(tx->engine == KTLS_ENGINE_KERNEL);
	int sent = ktls_kernel_send(session->fd, type, data, len);
	if (sent == -EAGAIN)
		return KTLS_WANT_WRITE;
	if (sent < 0)
		return ktls_fail(session, "sending a control record: %s", strerror(-sent));
	tx->records++;
	return KTLS_DONE;
}

/* The next generation of keys for one direction (RFC 8446 7.2). */
static enum ktls_status rekey(struct ktls_session *session, enum ktls_direction direction)
{
	struct ktls_side *side = &session->side[direction];
	struct ktls_keys keys;
	const struct ktls_crypto *crypto = &session->server->crypto;
	int result = ktls_secret_update(crypto, session->cipher, side->secret);
	if (result == 0)
		result = ktls_keys_tls13(crypto, session->cipher, side->secret, &keys);
	if (result == 0 && side->engine == KTLS_ENGINE_KERNEL)
		result = ktls_kernel_install(
			session->fd, direction, session->version, session->cipher, &keys, 0);
	else if (result == 0)
		result = ktls_aead_init(&side->aead, crypto, session->version, session->cipher,
			&keys, direction, 0);
	OPENSSL_cleanse(&keys, sizeof keys);
	if (result < 0)
		return ktls_fail(session, "KeyUpdate: new %s keys not taken: %s",
			direction == KTLS_TX ? "tx" : "rx", strerror(-result));
	if (side->engine == KTLS_ENGINE_KERNEL)
		side->records = side->verified = side->seen = 0;
	return KTLS_DONE;
}

static bool can_rekey(const struct ktls_session *session, enum ktls_direction direction)
{
	return session->version == KTLS_TLS13 &&
	       (session->side[direction].engine != KTLS_ENGINE_KERNEL ||
		       session->server->capabilities->rekey);
}

/* Remembers a control record until ktls_flush(); an alert displaces a KeyUpdate. */
static void keep(
	struct ktls_session *session, enum ktls_record_type type, const uint8_t *data, size_t len)
{
	assert(len <= sizeof session->pending);
	memcpy(session->pending, data, len);
	session->pending_type = (uint8_t)type;
	session->pending_len = (uint8_t)len;
	session->pending_rekey = type == KTLS_RECORD_HANDSHAKE;
}

enum ktls_status ktls_flush(struct ktls_session *session)
{
	if (session->pending_len == 0)
		return KTLS_DONE;
	/* Only a kernel direction leaves records pending, so there is no reply to fill. */
	struct ktls_output none = {NULL, 0, 0};
	enum ktls_status status =
		control_send(session, (enum ktls_record_type)session->pending_type,
			session->pending, session->pending_len, &none);
	if (status == KTLS_WANT_WRITE)
		return status;
	session->pending_len = 0;
	if (status == KTLS_DONE && session->pending_rekey)
		status = rekey(session, KTLS_TX);
	return status;
}

bool ktls_is_pending(const struct ktls_session *session)
{
	return session->pending_len > 0;
}

/* Sends a KeyUpdate and changes the TX keys behind it (RFC 8446 4.6.3). */
static enum ktls_status key_update_send(
	struct ktls_session *session, bool request, struct ktls_output *reply)
{
	const uint8_t message[5] = {HANDSHAKE_KEY_UPDATE, 0, 0, 1, request};
	/* One that still waits for room answers this request as well. */
	if (session->pending_len)
		return KTLS_DONE;
	enum ktls_status status =
		control_send(session, KTLS_RECORD_HANDSHAKE, message, sizeof message, reply);
	if (status == KTLS_WANT_WRITE) {
		keep(session, KTLS_RECORD_HANDSHAKE, message, sizeof message);
		return KTLS_DONE;
	}
	return status == KTLS_DONE ? rekey(session, KTLS_TX) : status;
}

static enum ktls_status alert_send(
	struct ktls_session *session, uint8_t level, uint8_t description, struct ktls_output *reply)
{
	const uint8_t alert[2] = {level, description};
	enum ktls_status status =
		control_send(session, KTLS_RECORD_ALERT, alert, sizeof alert, reply);
	if (status == KTLS_WANT_WRITE && session->side[KTLS_TX].engine == KTLS_ENGINE_KERNEL)
		keep(session, KTLS_RECORD_ALERT, alert, sizeof alert);
	else if (status == KTLS_DONE)
		session->pending_len = 0; /* it would follow a close_notify now */
	return status;
}

/* The last record of a session. Without room in the caller's buffer it is still to come. */
static enum ktls_status last_alert(
	struct ktls_session *session, uint8_t level, uint8_t description, struct ktls_output *reply)
{
	enum ktls_status status = alert_send(session, level, description, reply);
	session->closed = status != KTLS_WANT_WRITE || session->pending_len > 0;
	return status;
}

/* libssl's own record layer sends only its own alerts. */
static bool is_libssl(const struct ktls_session *session)
{
	return session->side[KTLS_TX].engine == KTLS_ENGINE_LIBSSL;
}

enum ktls_status ktls_alert(
	struct ktls_session *session, uint8_t description, struct ktls_output *reply)
{
	if (session->closed)
		return ktls_flush(session);
	if (!is_libssl(session))
		return last_alert(session, 2, description, reply);
	session->closed = true;
	return KTLS_DONE;
}

enum ktls_status ktls_close_notify(struct ktls_session *session, struct ktls_output *reply)
{
	if (session->closed)
		return ktls_flush(session);
	if (!is_libssl(session))
		return last_alert(session, 1, KTLS_ALERT_CLOSE_NOTIFY, reply);
	session->closed = true;
	session->out = reply;
	int sent = session->ssl ? SSL_shutdown(session->ssl) : 0;
	session->out = NULL;
	return sent < 0 ? ktls_fail(session, "close_notify not sent") : KTLS_DONE;
}

enum ktls_status ktls_fail_alert(struct ktls_session *session, uint8_t description,
	struct ktls_output *reply, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	keep_error(session, format, arguments);
	va_end(arguments);
	ktls_alert(session, description, reply);
	return KTLS_FAILED;
}

/* RFC 8446 6: in TLS 1.3 every alert but two ends the connection. */
static bool alert_is_warning(const struct ktls_session *session, uint8_t level, uint8_t description)
{
	if (session->version == KTLS_TLS13)
		return description == KTLS_ALERT_USER_CANCELED;
	return level == 1;
}

static enum ktls_status warning(struct ktls_session *session, struct ktls_output *reply)
{
	if (++session->warnings <= BUDGET_WARNINGS)
		return KTLS_DONE;
	return ktls_fail_alert(
		session, KTLS_ALERT_UNEXPECTED_MESSAGE, reply, "too many warning alerts");
}

static enum ktls_status alert_received(
	struct ktls_session *session, const uint8_t *data, size_t len, struct ktls_output *reply)
{
	/* RFC 8446 5.4: an alert without content is an unexpected message. */
	if (len != 2)
		return ktls_fail_alert(session,
			len ? KTLS_ALERT_DECODE_ERROR : KTLS_ALERT_UNEXPECTED_MESSAGE, reply,
			"alert of %zu bytes", len);
	if (data[1] == KTLS_ALERT_CLOSE_NOTIFY)
		return KTLS_CLOSED;
	if (alert_is_warning(session, data[0], data[1]))
		return warning(session, reply);
	session->closed = true; /* RFC 8446 6.2: nothing more is sent */
	return ktls_fail(
		session, "client sent alert %u (%s)", data[1], SSL_alert_desc_string_long(data[1]));
}

static bool key_updates_exceeded(struct ktls_session *session)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if ((uint32_t)now.tv_sec != session->second) {
		session->second = (uint32_t)now.tv_sec;
		session->key_updates_second = 0;
	}
	return ++session->key_updates > BUDGET_KEY_UPDATES ||
	       ++session->key_updates_second > BUDGET_KEY_UPDATES_SECOND;
}

static enum ktls_status key_update_received(
	struct ktls_session *session, uint8_t request, struct ktls_output *reply)
{
	if (request > 1)
		return ktls_fail_alert(session, KTLS_ALERT_ILLEGAL_PARAMETER, reply,
			"KeyUpdate with request_update %u", request);
	if (key_updates_exceeded(session))
		return ktls_fail_alert(
			session, KTLS_ALERT_UNEXPECTED_MESSAGE, reply, "too many KeyUpdates");
	if (!can_rekey(session, KTLS_RX) || (request && !can_rekey(session, KTLS_TX)))
		return ktls_fail_alert(session, KTLS_ALERT_INTERNAL_ERROR, reply,
			"KeyUpdate: this kernel cannot change keys (Linux 6.14 can)");
	enum ktls_status status = rekey(session, KTLS_RX);
	if (status == KTLS_FAILED)
		return ktls_fail_alert(
			session, KTLS_ALERT_INTERNAL_ERROR, reply, "KeyUpdate failed");
	session->update_requested = false;
	/* RFC 8446 6.1: after our close_notify nothing may follow. */
	return request && !session->closed ? key_update_send(session, false, reply) : status;
}

/* The only message a client may send after a TLS 1.3 handshake is KeyUpdate. */
static enum ktls_status message_received(
	struct ktls_session *session, const uint8_t *data, size_t len, struct ktls_output *reply)
{
	size_t missing = sizeof session->message - session->message_len;
	size_t taken = len < missing ? len : missing;
	memcpy(session->message + session->message_len, data, taken);
	session->message_len = (uint8_t)(session->message_len + taken);
	if (session->message[0] != HANDSHAKE_KEY_UPDATE || taken < len)
		return ktls_fail_alert(session, KTLS_ALERT_UNEXPECTED_MESSAGE, reply,
			"unexpected handshake message %u", session->message[0]);
	if (session->message_len < sizeof session->message)
		return KTLS_DONE;
	session->message_len = 0;
	if (session->message[1] || session->message[2] || session->message[3] != 1)
		return ktls_fail_alert(
			session, KTLS_ALERT_DECODE_ERROR, reply, "KeyUpdate of a wrong length");
	return key_update_received(session, session->message[4], reply);
}

/* RFC 5246 7.2.2: a renegotiation attempt is turned down with a warning. */
static enum ktls_status renegotiation_refused(
	struct ktls_session *session, struct ktls_output *reply)
{
	if (++session->warnings > BUDGET_WARNINGS)
		return ktls_fail_alert(session, KTLS_ALERT_UNEXPECTED_MESSAGE, reply,
			"too many renegotiation attempts");
	if (session->closed)
		return KTLS_DONE;
	enum ktls_status status = alert_send(session, 1, KTLS_ALERT_NO_RENEGOTIATION, reply);
	return status == KTLS_WANT_WRITE ? KTLS_DONE : status;
}

static enum ktls_status data_received(
	struct ktls_session *session, size_t len, struct ktls_output *reply)
{
	if (len > 0) {
		session->empty_records = session->warnings = session->key_updates = 0;
		return KTLS_DONE;
	}
	if (++session->empty_records <= BUDGET_EMPTY_RECORDS)
		return KTLS_DONE;
	return ktls_fail_alert(
		session, KTLS_ALERT_UNEXPECTED_MESSAGE, reply, "too many empty records");
}

enum ktls_status ktls_control(struct ktls_session *session, uint8_t type, const uint8_t *data,
	size_t len, struct ktls_output *reply)
{
	/* RFC 8446 5.1: a message must not be interleaved with other records. */
	if (session->message_len && type != KTLS_RECORD_HANDSHAKE)
		return ktls_fail_alert(session, KTLS_ALERT_UNEXPECTED_MESSAGE, reply,
			"record of type %u inside a handshake message", type);
	switch (type) {
	case KTLS_RECORD_DATA:
		return data_received(session, len, reply);
	case KTLS_RECORD_ALERT:
		return alert_received(session, data, len, reply);
	case KTLS_RECORD_HANDSHAKE:
		if (len == 0)
			break;
		if (session->version == KTLS_TLS12)
			return renegotiation_refused(session, reply);
		return message_received(session, data, len, reply);
	default:
		break;
	}
	return ktls_fail_alert(session, KTLS_ALERT_UNEXPECTED_MESSAGE, reply,
		"unexpected record of type %u", type);
}

/* Records under the current key: exact in user space, an upper bound in the kernel. */
static uint64_t records_used(struct ktls_session *session, enum ktls_direction direction)
{
	struct ktls_side *side = &session->side[direction];
	if (side->engine == KTLS_ENGINE_AEAD)
		return side->aead.sequence;
	uint64_t step = session->server->record_limit / 16;
	if (side->records - side->verified > step) {
		uint64_t sequence;
		if (ktls_kernel_sequence(session->fd, direction, session->version, session->cipher,
			    &sequence) == 0)
			side->records = sequence;
		side->verified = side->records;
	}
	return side->records;
}

/* RFC 8446 5.5 and 4.6.3: fresh TX keys; for RX the peer is asked for them. */
static enum ktls_status limit_reached(
	struct ktls_session *session, enum ktls_direction direction, struct ktls_output *reply)
{
	if (direction == KTLS_TX && can_rekey(session, KTLS_TX))
		return key_update_send(session, false, reply);
	if (direction == KTLS_RX && can_rekey(session, KTLS_TX) && can_rekey(session, KTLS_RX)) {
		session->update_requested = true;
		return key_update_send(session, true, reply);
	}
	return ktls_fail_alert(session, KTLS_ALERT_INTERNAL_ERROR, reply,
		"the limit of %s records under one key is reached",
		ktls_cipher_name(session->cipher));
}

enum ktls_status ktls_limit(
	struct ktls_session *session, enum ktls_direction direction, struct ktls_output *reply)
{
	uint64_t limit = session->server->record_limit;
	if (session->cipher == KTLS_CHACHA20_POLY1305 || session->closed)
		return KTLS_DONE; /* no limit in reach (RFC 8446 5.5) */
	uint64_t used = records_used(session, direction);
	if (used < limit - limit / 8)
		return KTLS_DONE;
	if (direction == KTLS_RX && session->update_requested && used < limit)
		return KTLS_DONE; /* the answer is still on its way */
	if (direction == KTLS_RX && session->update_requested)
		return ktls_fail_alert(session, KTLS_ALERT_INTERNAL_ERROR, reply,
			"the client did not change its keys when asked to");
	return limit_reached(session, direction, reply);
}
