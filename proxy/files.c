#include "proxy/files.h"

#include "proxy/conn.h"
#include "proxy/worker.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

void file_transfer_init(struct file_transfer *file)
{
	*file = (struct file_transfer){.fd = -1};
}

void file_transfer_done(struct file_transfer *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	file->left = 0;
}

bool file_transfer_join(struct file_transfer *file, struct buf *buf)
{
	size_t room = KTLS_RECORD_PLAINTEXT - buf->end;
	while (file->left > 0 && file->left <= room) {
		ssize_t n = pread(file->fd, buf->data + buf->end, (size_t)file->left, file->offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf->end += (uint32_t)n;
		file->offset += n;
		file->left -= (uint64_t)n;
		room -= (size_t)n;
	}
	return true;
}

/* The kernel moves the pages and seals them; false: no more for now, or ended. */
static bool file_splice(struct conn *conn, struct file_transfer *file)
{
	size_t want = file->left < RELAY_TURN ? (size_t)file->left : RELAY_TURN;
	conn->settled = false;
	ssize_t n = sendfile(conn->front.fd, file->fd, &file->offset, want);
	if (n > 0) {
		file->left -= (uint64_t)n;
		conn->down.bytes += (uint64_t)n;
		return relay_account(conn, KTLS_TX, (size_t)n);
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n == 0)
		conn_cut(conn, "file shorter than announced", 0);
	else if (errno == EAGAIN)
		endpoint_await_writable(conn->worker, &conn->front);
	else
		conn_end(conn, CONN_EVENT_ABORT, "client reset", errno);
	return false;
}

static bool file_copy(struct conn *conn, struct file_transfer *file)
{
	size_t want = file->left < RELAY_CHUNK ? (size_t)file->left : RELAY_CHUNK;
	ssize_t n = pread(file->fd, conn->worker->scratch_in, want, file->offset);
	if (n <= 0) {
		conn_cut(conn, "file shorter than announced", n < 0 ? errno : 0);
		return false;
	}
	file->offset += n;
	file->left -= (uint64_t)n;
	return relay_to_client(conn, conn->worker->scratch_in, (size_t)n) &&
	       relay_is_front_free(conn);
}

void file_transfer_step(struct conn *conn, struct file_transfer *file)
{
	uint64_t start = conn->down.bytes;
	bool more = true;
	while (more && file->left > 0 && conn->down.bytes - start < RELAY_TURN)
		more = conn_is_tx_plaintext(conn) ? file_splice(conn, file) : file_copy(conn, file);
	if (conn->down.bytes != start)
		conn_touch(conn);
	if (more && file->left > 0)
		conn_again(conn);
}
