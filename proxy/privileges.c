#include "proxy/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

bool account_find(const struct conf *conf, struct account *account, char *error, size_t error_size)
{
	account->change = geteuid() == 0;
	if (!account->change)
		return true;
	const struct passwd *user = getpwnam(conf->user);
	if (!user) {
		snprintf(error, error_size,
			"user \"%s\" does not exist; create it (useradd --system --no-create-home "
			"%s) or set "
			"user = \"...\"; to an existing account",
			conf->user, conf->user);
		return false;
	}
	const struct group *group = getgrnam(conf->group);
	if (!group) {
		snprintf(error, error_size,
			"group \"%s\" does not exist; create it (groupadd --system %s) or set "
			"group = "
			"\"...\"; to an existing one",
			conf->group, conf->group);
		return false;
	}
	account->uid = user->pw_uid;
	account->gid = group->gr_gid;
	return true;
}

void privileges_no_dumps(void)
{
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

int privileges_drop(const struct account *account, pid_t parent)
{
	if (account->change && (setgroups(0, NULL) < 0 ||
				       setresgid(account->gid, account->gid, account->gid) < 0 ||
				       setresuid(account->uid, account->uid, account->uid) < 0))
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	privileges_no_dumps();
	/* Changing accounts clears it, so it comes last: no worker without a supervisor. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

unsigned long descriptors_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_max;
}
