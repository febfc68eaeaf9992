/* sd_notify(3)'s protocol: one datagram to $NOTIFY_SOCKET, when there is one. */
#ifndef FERRULE_PROXY_NOTIFY_H
#define FERRULE_PROXY_NOTIFY_H

void notify(const char *state); /* "READY=1", "STOPPING=1" … */

#endif
