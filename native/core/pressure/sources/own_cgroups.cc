#include "core/pressure/sources/own_cgroups.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/platform/fd.h"
#include "core/pressure/sources/kernel_file.h"
#include "core/reclaim/line_reader.h"

namespace ashmem_compat::pressure {
namespace {

struct Mount {
  std::string root;  // the cgroup that is mounted
  std::string point;
};

// Whether `list`, separated by commas, has `word`.
bool has_word(const std::string& list, const char* word) {
  return ("," + list + ",").find("," + std::string(word) + ",") != std::string::npos;
}

// The field of a line up to the next space; moves `at` behind it.
std::string field(const char** at) {
  const char* end = strchr(*at, ' ');
  std::string value = end ? std::string(*at, end) : std::string(*at);
  *at = end ? end + 1 : *at + strlen(*at);
  return value;
}

// proc(5): space, tab, newline and backslash are written in octal.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool own_path(Hierarchy hierarchy, const char* file, std::string* path) {
  const Fd fd(open(file, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return false;
  reclaim::LineReader lines(fd.get());
  while (const char* line = lines.next()) {
    // hierarchy number : controllers : path
    const char* controllers = strchr(line, ':');
    const char* rest = controllers ? strchr(controllers + 1, ':') : nullptr;
    if (!rest) continue;
    const std::string list(controllers + 1, rest);
    const bool wanted =
        hierarchy == Hierarchy::kV2 ? strncmp(line, "0:", 2) == 0 && list.empty() : has_word(list, "memory");
    if (!wanted) continue;
    *path = rest + 1;
    return true;
  }
  return false;
}

std::vector<Mount> mounts(Hierarchy hierarchy, const char* file) {
  std::vector<Mount> found;
  const Fd fd(open(file, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return found;
  reclaim::LineReader lines(fd.get());
  while (const char* line = lines.next()) {
    // id, parent, device, root, mount point, options, optional fields, "-", type, source, options of the file system
    const char* type = strstr(line, " - ");
    if (!type) continue;
    type += 3;
    const std::string name = field(&type);
    field(&type);
    if (hierarchy == Hierarchy::kV2 ? name != "cgroup2"
                                    : name != "cgroup" || !has_word(field(&type), "memory")) {
      continue;
    }
    const char* at = line;
    for (int skip = 0; skip < 3; ++skip) field(&at);
    Mount mount;
    mount.root = unescaped(field(&at));
    mount.point = unescaped(field(&at));
    found.push_back(mount);
  }
  return found;
}

// Whether a cgroup is below what is mounted, and the rest of its path. Paths with ".." lead out of a cgroup namespace, to where
// no name leads.
bool below(const std::string& path, const std::string& root, std::string* rest) {
  if ((path + "/").find("/../") != std::string::npos || (root + "/").find("/../") != std::string::npos) {
    return false;
  }
  const std::string prefix = root == "/" ? "" : root;
  if (path.compare(0, prefix.size(), prefix) != 0) return false;
  *rest = path.substr(prefix.size());
  if (*rest == "/") rest->clear();
  return rest->empty() || (*rest)[0] == '/';
}

bool is_cgroup(const std::string& folder) { return access((folder + "/cgroup.procs").c_str(), F_OK) == 0; }

}  // namespace

std::vector<std::string> own_cgroups(Hierarchy hierarchy, const char* cgroup, const char* mountinfo) {
  std::string path;
  if (!own_path(hierarchy, cgroup, &path)) return {};
  const Mount* best = nullptr;
  const Mount* fallback = nullptr;
  std::string below_best;
  const std::vector<Mount> all = mounts(hierarchy, mountinfo);
  for (const Mount& mount : all) {
    std::string rest;
    if (!fallback && is_cgroup(mount.point)) fallback = &mount;
    // The mount that shows the most parents.
    if (!below(path, mount.root, &rest) || !is_cgroup(mount.point + rest)) continue;
    if (best && best->root.size() <= mount.root.size()) continue;
    best = &mount;
    below_best = rest;
  }
  std::vector<std::string> folders;
  if (!best) {
    if (fallback) folders.push_back(fallback->point);
    return folders;
  }
  for (;;) {
    folders.push_back(best->point + below_best);
    if (below_best.empty()) return folders;
    below_best.resize(below_best.rfind('/'));
  }
}

uint64_t cgroup_membership() {
  // Of the process, not of a thread: memory is charged where the process as a whole is.
  KernelFile file;
  char text[kTextSize];
  if (!file.open("/proc/self/cgroup") || !file.read(text, sizeof text)) return 0;
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char* c = text; *c; ++c) hash = (hash ^ static_cast<unsigned char>(*c)) * 1099511628211u;
  return hash | 1;
}

}  // namespace ashmem_compat::pressure
