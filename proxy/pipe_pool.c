#include "proxy/pipe_pool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void pipe_close(struct pipe_pool *pool, struct pipe *pipe)
{
	close(pipe->read_fd);
	close(pipe->write_fd);
	free(pipe);
	pool->open--;
}

static struct pipe *pipe_open(struct pipe_pool *pool)
{
	int fds[2];
	struct pipe *pipe = calloc(1, sizeof *pipe);
	if (!pipe || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(pipe);
		return NULL;
	}
	pipe->read_fd = fds[0];
	pipe->write_fd = fds[1];
	pool->open++;
	/* Past the user's soft limit a new pipe has two slots, and says so only here. */
	if (fcntl(fds[0], F_GETPIPE_SZ) < PIPE_SLOTS * (int)sysconf(_SC_PAGESIZE)) {
		pipe_close(pool, pipe);
		return NULL;
	}
	return pipe;
}

struct pipe *pipe_lease(struct pipe_pool *pool)
{
	struct pipe *pipe = pool->free;
	if (pipe) {
		pool->free = pipe->next;
		pipe->next = NULL;
		return pipe;
	}
	return pool->open < pool->max ? pipe_open(pool) : NULL;
}

void pipe_return(struct pipe_pool *pool, struct pipe *pipe)
{
	if (!pipe)
		return;
	if (pipe->bytes > 0) {
		pipe_close(pool, pipe);
		return;
	}
	pipe->next = pool->free;
	pool->free = pipe;
}

void pipe_pool_done(struct pipe_pool *pool)
{
	while (pool->free) {
		struct pipe *pipe = pool->free;
		pool->free = pipe->next;
		pipe_close(pool, pipe);
	}
}
