/* From the supervisor to a worker: descriptors that only the supervisor can open. */
#ifndef FERRULE_PROXY_CHANNEL_H
#define FERRULE_PROXY_CHANNEL_H

enum channel_tag { CHANNEL_LOG = 'l', CHANNEL_ACCESS_LOG = 'a' };

/* ends[0] sends, ends[1] receives. 0 or -errno. */
int channel_open(int ends[2]);
/* Never blocks: a worker that does not listen misses it. `passed` stays the caller's. */
void channel_send(int fd, enum channel_tag tag, int passed);
/* The descriptor, now the caller's, and what it is for; -1: nothing there. */
int channel_receive(int fd, enum channel_tag *tag);

#endif
