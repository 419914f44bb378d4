// Unix sockets in a root: an address short enough for the kernel, and who is at the other end.
// Not here: HTTP over them (engine/daemon).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace khipu::os {

// sockaddr_un holds 107 bytes; roots may lie deeper. The address then goes through an open descriptor of the folder:
// /proc/self/fd/N/NAME. Valid while this object lives.
class SocketPath {
 public:
  static Result<SocketPath> make(const std::string& folder, std::string_view name);
  SocketPath(SocketPath&& other) noexcept;
  SocketPath& operator=(SocketPath&&) = delete;
  ~SocketPath();
  const std::string& text() const { return text_; }

 private:
  SocketPath(std::string text, int descriptor) : text_(std::move(text)), descriptor_(descriptor) {}
  std::string text_;
  int descriptor_;  // -1: the plain path was short enough
};

// Before bind: the file will have at most these permissions (the kernel takes them from the unbound socket).
void limit_socket_permissions(int socket, unsigned permissions);
// After bind: exactly these.
Result<void> set_socket_permissions(const SocketPath& path, unsigned permissions);

// SO_PEERCRED: who connected, by the kernel's word.
struct Peer {
  uint32_t pid = 0;
  uint32_t uid = 0;
  bool same_group = false;  // our effective group is the peer's, or one of its supplementary groups (SO_PEERGROUPS)
};
Result<Peer> peer_of(int socket);

// Ends both directions of a socket another thread is reading from.
void shut_down_socket(int socket);
// Best effort, never blocks: for the one answer a connection gets that is refused at the door.
void send_and_forget(int socket, std::string_view text);

}  // namespace khipu::os
