/*
 * The supervisor: reads the configuration, binds sockets, loads keys, and runs
 * workers. It never touches a byte from the network. A reload starts a new
 * generation of workers and lets the old one finish its connections.
 */
#ifndef FERRULE_PROXY_SUPERVISOR_H
#define FERRULE_PROXY_SUPERVISOR_H

/* Runs in the foreground until stopped; returns the exit status. */
int supervisor_run(const char *path);

/* Everything `run` would check, without writing, binding or running. Exit status. */
int supervisor_check(const char *path);

#endif
