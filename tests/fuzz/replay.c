/* Runs a fuzz target over files and directories of them, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1024 * 1024)

static unsigned replay_file(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		exit(1);
	}
	size_t size = fread(data, 1, sizeof data, file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	return 1;
}

static unsigned replay(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
		return replay_file(path);
	unsigned count = 0;
	DIR *directory = opendir(path);
	const struct dirent *entry;
	while (directory && (entry = readdir(directory))) {
		char file[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		count += replay_file(file);
	}
	if (directory)
		closedir(directory);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	for (int i = 1; i < argc; i++)
		count += replay(argv[i]);
	printf("%s: %u inputs replayed\n", argv[0], count);
	return count > 0 ? 0 : 1;
}
