#include "engine/os/local_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "engine/os/posix_error.h"

namespace khipu::os {

Result<SocketPath> SocketPath::make(const std::string& folder, std::string_view name) {
  std::string plain = folder + "/" + std::string(name);
  if (plain.size() < sizeof(sockaddr_un::sun_path)) return SocketPath(std::move(plain), -1);
  const int descriptor = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return system_error(folder, "open", errno);
  return SocketPath("/proc/self/fd/" + std::to_string(descriptor) + "/" + std::string(name), descriptor);
}

SocketPath::SocketPath(SocketPath&& other) noexcept
    : text_(std::move(other.text_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

SocketPath::~SocketPath() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void limit_socket_permissions(int socket, unsigned permissions) { (void)::fchmod(socket, permissions); }

Result<void> set_socket_permissions(const SocketPath& path, unsigned permissions) {
  if (::chmod(path.text().c_str(), permissions) != 0) return system_error(path.text(), "chmod", errno);
  return {};
}

Result<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return system_error("socket", "getsockopt SO_PEERCRED", errno);
  }
  Peer peer{static_cast<uint32_t>(credentials.pid), credentials.uid, credentials.gid == ::getegid()};
  std::vector<gid_t> groups(64);
  for (int attempt = 0; attempt < 2 && !peer.same_group; ++attempt) {  // the kernel says how much room it wants
    socklen_t bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0) {
      groups.resize(bytes / sizeof(gid_t));
      peer.same_group = std::find(groups.begin(), groups.end(), ::getegid()) != groups.end();
      break;
    }
    if (errno != ERANGE) break;
    groups.resize(bytes / sizeof(gid_t));
  }
  return peer;
}

void shut_down_socket(int socket) { (void)::shutdown(socket, SHUT_RDWR); }

void send_and_forget(int socket, std::string_view text) {
  (void)::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace khipu::os
