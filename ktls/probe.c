/*
 * What this kernel can do, found out by doing it: one end of a loopback
 * connection is the kernel's, the other our own record engine. The K numbers are
 * those of ARCHITECTURE.md's list of kernel faults.
 */
#include "ktls/kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Loopback answers in microseconds; what is silent for so long has lost something. */
#define PATIENCE_MS 100

#define PIPE_SHORT 4096        /* one slot */
#define PIPE_SAFE  (16 * 4096) /* 16 slots: a whole record fits in any layout */

/* One connection between the kernel's engine and ours, for one direction. */
struct trial {
	const struct ktls_crypto *crypto;
	enum ktls_version version;
	enum ktls_cipher cipher;
	enum ktls_direction direction; /* the kernel's */
	int kernel, peer;              /* sockets; -1: none */
	int pipe[2];
	struct ktls_keys keys;
	struct ktls_aead aead; /* the peer's */
	uint8_t record[KTLS_RECORD_MAX], plain[KTLS_RECORD_MAX];
};

/* ---- both ends ------------------------------------------------------------ */

static int wait_for(int fd, short events)
{
	struct pollfd pollfd = {.fd = fd, .events = events};
	int n;
	do
		n = poll(&pollfd, 1, PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int accept_from(int listener, struct sockaddr_in *address, struct trial *trial)
{
	socklen_t size = sizeof *address;
	const struct sockaddr *to = (const struct sockaddr *)address;
	if (bind(listener, to, size) < 0 || listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)address, &size) < 0)
		return -errno;
	trial->kernel = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (trial->kernel < 0)
		return -errno;
	if (connect(trial->kernel, to, size) < 0 && errno != EINPROGRESS)
		return -errno;
	int ready = wait_for(listener, POLLIN);
	if (ready < 0)
		return ready;
	trial->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return trial->peer < 0 ? -errno : wait_for(trial->kernel, POLLOUT);
}

static int trial_connect(struct trial *trial)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0)
		return -errno;
	int result = accept_from(listener, &address, trial);
	close(listener);
	return result;
}

static struct trial *trial_new(const struct ktls_crypto *crypto)
{
	struct trial *trial = calloc(1, sizeof *trial);
	if (!trial)
		return NULL;
	trial->crypto = crypto;
	trial->kernel = trial->peer = trial->pipe[0] = trial->pipe[1] = -1;
	return trial;
}

static void trial_free(struct trial *trial)
{
	if (!trial)
		return;
	const int fds[] = {trial->kernel, trial->peer, trial->pipe[0], trial->pipe[1]};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	ktls_aead_done(&trial->aead);
	OPENSSL_cleanse(&trial->keys, sizeof trial->keys);
	free(trial);
}

/* Fresh keys for the kernel alone: the peer's engine follows with peer_key(). */
static int kernel_key(struct trial *trial)
{
	if (RAND_bytes(trial->keys.key, sizeof trial->keys.key) != 1 ||
		RAND_bytes(trial->keys.iv, sizeof trial->keys.iv) != 1)
		return -EIO;
	return ktls_kernel_install(
		trial->kernel, trial->direction, trial->version, trial->cipher, &trial->keys, 0);
}

static int peer_key(struct trial *trial)
{
	enum ktls_direction theirs = trial->direction == KTLS_TX ? KTLS_RX : KTLS_TX;
	return ktls_aead_init(&trial->aead, trial->crypto, trial->version, trial->cipher,
		       &trial->keys, theirs, 0) < 0
		       ? -ENOMEM
		       : 0;
}

/* A connection with keys for one direction. 0 or -errno. */
static int trial_start(struct trial *trial, enum ktls_version version, enum ktls_cipher cipher,
	enum ktls_direction direction)
{
	trial->version = version;
	trial->cipher = cipher;
	trial->direction = direction;
	int result = trial_connect(trial);
	if (result == 0)
		result = ktls_kernel_attach(trial->kernel);
	if (result == 0)
		result = kernel_key(trial);
	return result == 0 ? peer_key(trial) : result;
}

/* What belongs at each offset: neither constant nor of a page's period. */
static uint8_t pattern(size_t offset)
{
	return (uint8_t)(offset * 7 + offset / 251);
}

static void pattern_fill(uint8_t *data, size_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = pattern(offset + i);
}

static bool pattern_matches(const uint8_t *data, size_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != pattern(offset + i))
			return false;
	return true;
}

/* The peer seals one record and sends it. 0 or -errno. */
static int peer_send(
	struct trial *trial, enum ktls_record_type type, const uint8_t *data, size_t len)
{
	int sealed = ktls_aead_seal(&trial->aead, type, data, len, trial->record);
	if (sealed < 0)
		return -EIO;
	for (size_t sent = 0; sent < (size_t)sealed;) {
		ssize_t n = send(
			trial->peer, trial->record + sent, (size_t)sealed - sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return -errno;
		int ready = n < 0 ? wait_for(trial->peer, POLLOUT) : 0;
		if (ready < 0)
			return ready;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Reads exactly len bytes. 0, -ENODATA at the end of the stream, or -errno. */
static int peer_read(struct trial *trial, uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = recv(trial->peer, data, len, 0);
		if (n == 0)
			return -ENODATA;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		int ready = n < 0 ? wait_for(trial->peer, POLLIN) : 0;
		if (ready < 0)
			return ready;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The peer opens one record into `plain`; its length, or -errno. */
static int peer_receive(struct trial *trial, uint8_t *type)
{
	int result = peer_read(trial, trial->record, KTLS_RECORD_HEADER);
	if (result < 0)
		return result;
	int len = ktls_record_length(&trial->aead, trial->record);
	if (len < 0)
		return -EBADMSG;
	result = peer_read(
		trial, trial->record + KTLS_RECORD_HEADER, (size_t)len - KTLS_RECORD_HEADER);
	if (result < 0)
		return result;
	int n = ktls_aead_open(&trial->aead, trial->record, (size_t)len, trial->plain, type);
	return n < 0 ? -EBADMSG : n;
}

/* ---- data one way ------------------------------------------------------------ */

#define EXCHANGE 1000

static int exchange_tx(struct trial *trial)
{
	uint8_t data[EXCHANGE], type = 0;
	pattern_fill(data, 0, sizeof data);
	if (send(trial->kernel, data, sizeof data, MSG_NOSIGNAL) != (ssize_t)sizeof data)
		return -EIO;
	int n = peer_receive(trial, &type);
	if (n < 0)
		return n;
	return n == EXCHANGE && type == KTLS_RECORD_DATA &&
			       pattern_matches(trial->plain, 0, EXCHANGE)
		       ? 0
		       : -EIO;
}

static int exchange_rx(struct trial *trial)
{
	uint8_t data[EXCHANGE], type = 0;
	pattern_fill(data, 0, sizeof data);
	int result = peer_send(trial, KTLS_RECORD_DATA, data, sizeof data);
	if (result == 0)
		result = wait_for(trial->kernel, POLLIN);
	if (result < 0)
		return result;
	ssize_t n = ktls_kernel_recv(trial->kernel, trial->plain, sizeof trial->plain, &type);
	if (n < 0)
		return (int)n;
	return n == EXCHANGE && type == KTLS_RECORD_DATA &&
			       pattern_matches(trial->plain, 0, EXCHANGE)
		       ? 0
		       : -EIO;
}

static int exchange(struct trial *trial)
{
	return trial->direction == KTLS_TX ? exchange_tx(trial) : exchange_rx(trial);
}

/* 0 or an errno, as struct ktls_capabilities wants it. */
static int probe_offload(const struct ktls_crypto *crypto, enum ktls_version version,
	enum ktls_cipher cipher, enum ktls_direction direction)
{
	struct trial *trial = trial_new(crypto);
	int result = trial ? trial_start(trial, version, cipher, direction) : -ENOMEM;
	if (result == 0)
		result = exchange(trial);
	trial_free(trial);
	return -result;
}

/* ---- K1: splice(kTLS -> pipe) --------------------------------------------------- */

static int pipe_open(struct trial *trial, int size)
{
	if (pipe2(trial->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* U3: beyond pipe-user-pages-soft it stays smaller, so the answer is compared */
	return fcntl(trial->pipe[0], F_SETPIPE_SZ, size) == size ? 0 : -ENOBUFS;
}

/* Empties the pipe, which holds n bytes that belong at `offset`. 0 or -errno. */
static int pipe_drain(struct trial *trial, size_t offset, size_t n)
{
	if (n > sizeof trial->plain)
		return -EIO;
	if (read(trial->pipe[0], trial->plain, sizeof trial->plain) != (ssize_t)n)
		return -EIO;
	return pattern_matches(trial->plain, offset, n) ? 0 : -EIO;
}

/* Splices len bytes out of the kernel, an empty pipe at a time. 0 or -errno. */
static int splice_all(struct trial *trial, size_t offset, size_t len)
{
	for (size_t end = offset + len; offset < end;) {
		ssize_t n = splice(trial->kernel, NULL, trial->pipe[1], NULL, PIPE_SAFE,
			SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n == 0)
			return -EIO;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		int result = n < 0 ? wait_for(trial->kernel, POLLIN)
				   : pipe_drain(trial, offset, (size_t)n);
		if (result == -ETIMEDOUT)
			return -EIO; /* the rest has gone */
		if (result < 0)
			return result;
		offset += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Records of these lengths wait in the socket before the first splice. 0 or -errno. */
static int splice_round(struct trial *trial, const size_t *lens, size_t count, size_t offset)
{
	uint8_t data[KTLS_RECORD_PLAINTEXT];
	size_t total = 0;
	for (size_t i = 0; i < count; i++) {
		pattern_fill(data, offset + total, lens[i]);
		int result = peer_send(trial, KTLS_RECORD_DATA, data, lens[i]);
		if (result < 0)
			return result;
		total += lens[i];
	}
	return splice_all(trial, offset, total);
}

/* 0 when nothing was lost on the way through a pipe of that size, else an errno. */
static int probe_splice(
	const struct ktls_crypto *crypto, enum ktls_cipher cipher, int pipe_size, int rounds)
{
	static const size_t lens[] = {KTLS_RECORD_PLAINTEXT, 1, 4097, KTLS_RECORD_PLAINTEXT};
	struct trial *trial = trial_new(crypto);
	int result = trial ? trial_start(trial, KTLS_TLS13, cipher, KTLS_RX) : -ENOMEM;
	if (result == 0)
		result = pipe_open(trial, pipe_size);
	const size_t count = sizeof lens / sizeof *lens;
	const size_t total = 2 * KTLS_RECORD_PLAINTEXT + 4098;
	for (int round = 0; result == 0 && round < rounds; round++)
		result = splice_round(trial, lens, count, (size_t)round * total);
	trial_free(trial);
	return -result;
}

/* ---- K2: close with a full socket -------------------------------------------------- */

/*
 * Whether the last record stays behind depends on how it meets the end of the
 * send buffer: the tries move that end about. One in four lost a record on Linux
 * 6.1, one in eight on 6.12 and 7.2, always the same ones.
 */
#define CLOSE_TRIES  24
#define CLOSE_BUFFER 100000
#define CLOSE_STEP   1777

/* Sends records of all sizes until the socket is full; the number of bytes it took. */
static size_t fill_socket(struct trial *trial)
{
	uint8_t data[KTLS_RECORD_PLAINTEXT];
	size_t total = 0;
	ssize_t n;
	do {
		pattern_fill(data, total, sizeof data);
		size_t len = sizeof data - total * 13 % 9001;
		n = send(trial->kernel, data, len, MSG_NOSIGNAL);
		total += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	return total;
}

/* All that arrives until the stream ends; -errno when it was not the pattern. */
static ssize_t receive_rest(struct trial *trial)
{
	size_t total = 0;
	for (;;) {
		uint8_t type;
		int n = peer_receive(trial, &type);
		if (n == -ENODATA || n == -ECONNRESET)
			return (ssize_t)total;
		if (n < 0)
			return n;
		if (type == KTLS_RECORD_DATA) {
			if (!pattern_matches(trial->plain, total, (size_t)n))
				return -EIO;
			total += (size_t)n;
		}
	}
}

static bool close_loses(const struct ktls_crypto *crypto, enum ktls_cipher cipher, int buffer)
{
	struct trial *trial = trial_new(crypto);
	bool loses = true;
	if (trial && trial_start(trial, KTLS_TLS13, cipher, KTLS_TX) == 0) {
		setsockopt(trial->kernel, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
		size_t sent = fill_socket(trial);
		close(trial->kernel);
		trial->kernel = -1;
		loses = receive_rest(trial) != (ssize_t)sent;
	}
	trial_free(trial);
	return loses;
}

/* ---- K5: KeyUpdate -------------------------------------------------------------------- */

static const uint8_t key_update[] = {24, 0, 0, 1, 0};

/* The KeyUpdate that ends the first keys crosses (RFC 8446 4.6.3). 0 or -errno. */
static int exchange_key_update(struct trial *trial)
{
	uint8_t type = 0;
	ssize_t n;
	if (trial->direction == KTLS_TX) {
		int sent = ktls_kernel_send(
			trial->kernel, KTLS_RECORD_HANDSHAKE, key_update, sizeof key_update);
		n = sent < 0 ? sent : peer_receive(trial, &type);
	} else {
		int result = peer_send(trial, KTLS_RECORD_HANDSHAKE, key_update, sizeof key_update);
		if (result == 0)
			result = wait_for(trial->kernel, POLLIN);
		n = result < 0 ? result
			       : ktls_kernel_recv(
					 trial->kernel, trial->plain, sizeof trial->plain, &type);
	}
	return n == (ssize_t)sizeof key_update && type == KTLS_RECORD_HANDSHAKE ? 0 : -EIO;
}

/* Data, KeyUpdate, data under the new keys. */
static bool rekeys(
	const struct ktls_crypto *crypto, enum ktls_cipher cipher, enum ktls_direction direction)
{
	struct trial *trial = trial_new(crypto);
	bool done = trial && trial_start(trial, KTLS_TLS13, cipher, direction) == 0 &&
		    exchange(trial) == 0 && exchange_key_update(trial) == 0 &&
		    kernel_key(trial) == 0 && peer_key(trial) == 0 && exchange(trial) == 0;
	trial_free(trial);
	return done;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int probe_ulp(const struct ktls_crypto *crypto)
{
	struct trial *trial = trial_new(crypto);
	int result = trial ? trial_connect(trial) : -ENOMEM;
	if (result == 0)
		result = ktls_kernel_attach(trial->kernel);
	trial_free(trial);
	return -result;
}

static void set_all(struct ktls_capabilities *capabilities, int error)
{
	memset(capabilities, 0, sizeof *capabilities);
	capabilities->ulp = capabilities->splice_rx = error;
	for (int i = 0; i < 2 * KTLS_CIPHERS * 2; i++)
		capabilities->offload[i / (2 * KTLS_CIPHERS)][i / 2 % KTLS_CIPHERS][i % 2] = error;
}

static void probe_faults(const struct ktls_crypto *crypto, enum ktls_cipher cipher,
	struct ktls_capabilities *capabilities)
{
	capabilities->splice_rx = probe_splice(crypto, cipher, PIPE_SAFE, 12);
	capabilities->splice_lossless = probe_splice(crypto, cipher, PIPE_SHORT, 1) == 0;
	capabilities->close_lossless = true;
	for (int i = 0; i < CLOSE_TRIES && capabilities->close_lossless; i++)
		capabilities->close_lossless =
			!close_loses(crypto, cipher, CLOSE_BUFFER + i * CLOSE_STEP);
	capabilities->rekey = rekeys(crypto, cipher, KTLS_TX) && rekeys(crypto, cipher, KTLS_RX);
}

void ktls_probe(struct ktls_capabilities *capabilities)
{
	struct ktls_crypto crypto;
	if (ktls_crypto_init(&crypto) < 0) {
		set_all(capabilities, ENOMEM);
		return;
	}
	set_all(capabilities, probe_ulp(&crypto));
	if (capabilities->ulp == 0) {
		capabilities->splice_rx = EOPNOTSUPP; /* until a cipher is found to try it with */
		for (int i = 0; i < 2 * KTLS_CIPHERS * 2; i++) {
			enum ktls_version version = (enum ktls_version)(i / (2 * KTLS_CIPHERS));
			enum ktls_cipher cipher = (enum ktls_cipher)(i / 2 % KTLS_CIPHERS);
			enum ktls_direction direction = (enum ktls_direction)(i % 2);
			capabilities->offload[version][cipher][direction] =
				probe_offload(&crypto, version, cipher, direction);
		}
		for (int i = 0; i < KTLS_CIPHERS; i++) {
			const int *works = capabilities->offload[KTLS_TLS13][i];
			if (works[KTLS_TX] || works[KTLS_RX])
				continue;
			probe_faults(&crypto, (enum ktls_cipher)i, capabilities);
			break;
		}
	}
	ktls_crypto_done(&crypto);
}
