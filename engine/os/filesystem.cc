#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "engine/os/file.h"
#include "engine/os/folder_id.h"
#include "engine/os/posix_error.h"

namespace khipu::os {
namespace {

struct Magic {
  uint32_t number;
  const char* name;
};
// From linux/magic.h and statfs(2); those that the header lacks stand as numbers.
constexpr Magic kNetwork[] = {
    {NFS_SUPER_MAGIC, "nfs"}, {SMB_SUPER_MAGIC, "smb"}, {0xff534d42, "cifs"},   {0xfe534d42, "smb2"},
    {V9FS_MAGIC, "9p"},       {AFS_SUPER_MAGIC, "afs"}, {AFS_FS_MAGIC, "afs"},  {CODA_SUPER_MAGIC, "coda"},
    {0x00c36400, "ceph"},     {0x0bd00bd0, "lustre"},   {0x01161970, "gfs2"},   {OCFS2_SUPER_MAGIC, "ocfs2"},
    {NCP_SUPER_MAGIC, "ncp"}, {0x47504653, "gpfs"},     {0xaad7aaea, "panfs"},  {0x013111a8, "ibrix"},
    {0x19830326, "fhgfs"},    {0xbacbacbc, "vmhgfs"},   {0x786f4256, "vboxsf"},
};
constexpr uint32_t kFuse = 0x65735546;

// The type field of the mount that holds `path` in the kernel's table: "36 35 98:0 / /mnt rw - fuse.sshfs host: rw".
std::string mount_type(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "";
  const std::string device = std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev));
  std::ifstream table("/proc/self/mountinfo");
  std::string found;
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string id, parent, where, word;
    fields >> id >> parent >> where;
    if (where != device) continue;
    while (fields >> word && word != "-") {
    }
    fields >> found;
  }
  return found;
}

}  // namespace

Result<std::optional<std::string>> network_filesystem(const std::string& path) {
  struct statfs status {};
  if (retry_interrupted([&] { return ::statfs(path.c_str(), &status); }) != 0) {
    return system_error(path, "statfs", errno);
  }
  const auto number = static_cast<uint32_t>(status.f_type);
  for (const Magic& magic : kNetwork) {
    if (magic.number == number) return std::optional<std::string>(magic.name);
  }
  if (number == kFuse) {
    // One number for sshfs, s3fs and disks alike. Only fuseblk says of itself that a block device is behind it.
    const std::string type = mount_type(path);
    if (type != "fuseblk") return std::optional<std::string>(type.empty() ? "fuse" : type);
  }
  return std::optional<std::string>();
}

Result<FolderId> folder_id(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error(path, "stat", errno);
  return FolderId{status.st_dev, status.st_ino};
}

Result<Space> space(const std::string& path) {
  struct statvfs status {};
  if (retry_interrupted([&] { return ::statvfs(path.c_str(), &status); }) != 0) {
    return system_error(path, "statvfs", errno);
  }
  Space result;
  result.free_bytes = static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  result.total_bytes = static_cast<uint64_t>(status.f_blocks) * status.f_frsize;
  return result;
}

}  // namespace khipu::os
