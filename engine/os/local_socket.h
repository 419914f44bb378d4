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

// One connection to a Unix socket, as a client. Everything it does is over by a deadline. Owner: one thread.
class LocalStream {
 public:
  // kNotFound: nobody listens there. kForbidden: the file's permissions. kBusy: the deadline passed.
  static Result<LocalStream> connect(const SocketPath& path, int timeout_ms);
  LocalStream(LocalStream&& other) noexcept;
  LocalStream& operator=(LocalStream&& other) noexcept;
  ~LocalStream();
  // The other side sent something we did not ask for, or closed: no request may be sent.
  bool is_stale() const;
  // Sends all of it; kBusy when that takes longer, kIo when the other side is gone.
  Result<void> send(std::string_view text, int timeout_ms);
  // What comes next, at most `most` bytes; empty at the end. kBusy when nothing comes.
  Result<std::string> receive(size_t most, int timeout_ms);

 private:
  explicit LocalStream(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// Ends both directions of a socket another thread is reading from.
void shut_down_socket(int socket);
// Best effort, never blocks: for the one answer a connection gets that is refused at the door.
void send_and_forget(int socket, std::string_view text);

}  // namespace khipu::os
