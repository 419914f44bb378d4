// The decrypt role: opens sealed values. A data key is taken from ROOT/keys once, checked against its KEY statement
// (hash of the file, commitment of the key) before any value is opened with it, and kept in locked memory.
// Not here: who may see a plaintext (grants: engine/auth, mcp/tools), and that each reveal is recorded.
#pragma once

#include <memory>

#include "engine/base/result.h"
#include "engine/protect/field.h"
#include "engine/protect/key_log.h"
#include "engine/protect/key_ring.h"
#include "engine/protect/value.h"

namespace khipu::protect {

// Bytes that are wiped at the end, in ordinary memory (locked memory costs 16 us a value). Move-only.
class Plaintext {
 public:
  Plaintext() = default;
  explicit Plaintext(Buffer bytes) : bytes_(std::move(bytes)) {}
  Plaintext(Plaintext&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  Plaintext& operator=(Plaintext&& other) noexcept;
  Plaintext(const Plaintext&) = delete;
  Plaintext& operator=(const Plaintext&) = delete;
  ~Plaintext();

  Bytes bytes() const { return bytes_; }
  std::string_view text() const { return as_text(bytes_); }
  Buffer& writable() { return bytes_; }

 private:
  Buffer bytes_;
};

// Any thread: one lock inside.
class Opener {
 public:
  // `wrapped`: ROOT/keys, owned from here on.
  static Result<std::unique_ptr<Opener>> open(DecryptRing ring, const RootId& root,
                                              std::unique_ptr<os::Directory> wrapped);
  ~Opener();
  Opener(const Opener&) = delete;
  Opener& operator=(const Opener&) = delete;

  // What meta/ says by now; costs nothing when it is the same object as before. Data keys that were shredded are
  // forgotten.
  void learn(std::shared_ptr<const KeyLog> log);

  // kForbidden: no key of ours opens it; kPurged: shredded, quoting the statement's kind; kNotFound: its data key is in
  // no KEY statement; kCorrupt: the file, the key or the value is not what was committed, or no file
  // that can be read. No message quotes a value.
  Result<Plaintext> open(const FieldPlace& place, Bytes value);
  // Into memory that is used again from value to value: replaces what is in `to`.
  Result<void> open(const FieldPlace& place, Bytes value, Plaintext& to);

  // Can this data key be opened, and is it what was committed? For `khipu keys check`.
  Result<void> check_key(uint32_t number);

 private:
  struct State;
  explicit Opener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace khipu::protect
