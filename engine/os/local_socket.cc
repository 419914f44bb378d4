#include "engine/os/local_socket.h"

#include <fcntl.h>
#include <poll.h>
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

namespace {

Result<void> wait_for(int descriptor, short events, int timeout_ms) {
  pollfd wanted{descriptor, events, 0};
  const int ready = retry_interrupted([&] { return ::poll(&wanted, 1, timeout_ms); });
  if (ready < 0) return system_error("socket", "poll", errno);
  if (ready == 0) return Error{Code::kBusy, "socket: no answer in time"};
  return {};
}

}  // namespace

Result<LocalStream> LocalStream::connect(const SocketPath& path, int timeout_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.text().size() >= sizeof address.sun_path) return Error{Code::kInvalid, path.text() + ": too long"};
  std::copy(path.text().begin(), path.text().end(), address.sun_path);
  LocalStream stream(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (stream.descriptor_ < 0) return system_error(path.text(), "socket", errno);
  // A full backlog is EAGAIN on a Unix socket; there is nothing to poll for, so whoever asks comes again.
  if (::connect(stream.descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return stream;
  if (errno == ECONNREFUSED || errno == ENOENT) return Error{Code::kNotFound, path.text() + ": nobody listens there"};
  if (errno == EAGAIN) return Error{Code::kBusy, path.text() + ": too many wait to connect"};
  if (errno != EINPROGRESS && errno != EINTR) return system_error(path.text(), "connect", errno);
  KHIPU_TRY(wait_for(stream.descriptor_, POLLOUT, timeout_ms));
  return stream;
}

LocalStream::LocalStream(LocalStream&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

LocalStream& LocalStream::operator=(LocalStream&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

LocalStream::~LocalStream() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool LocalStream::is_stale() const {
  pollfd wanted{descriptor_, POLLIN, 0};
  return ::poll(&wanted, 1, 0) != 0;
}

Result<void> LocalStream::send(std::string_view text, int timeout_ms) {
  while (!text.empty()) {
    const ssize_t sent = retry_interrupted([&] { return ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL); });
    if (sent < 0 && errno != EAGAIN) return system_error("socket", "send", errno);
    if (sent < 0) {
      KHIPU_TRY(wait_for(descriptor_, POLLOUT, timeout_ms));
      continue;
    }
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Result<std::string> LocalStream::receive(size_t most, int timeout_ms) {
  KHIPU_TRY(wait_for(descriptor_, POLLIN, timeout_ms));
  std::string text(most, '\0');
  const ssize_t size = retry_interrupted([&] { return ::recv(descriptor_, text.data(), text.size(), 0); });
  if (size < 0) return system_error("socket", "recv", errno);
  text.resize(static_cast<size_t>(size));
  return text;
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
