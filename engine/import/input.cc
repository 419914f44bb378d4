#include "engine/import/input.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace khipu::import {
namespace {
constexpr size_t kReadSize = 256 * 1024;
}

struct Input::Inflate {
  Inflate() { ready = inflateInit2(&stream, 15 + 16) == Z_OK; }  // 15 bits of window, gzip wrapper only
  ~Inflate() {
    if (ready) inflateEnd(&stream);
  }
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;
  z_stream stream{};
  bool ready = false;
  bool between = true;  // members: a gzip file may hold several, one after another
  bool ended = false;
  Buffer packed = Buffer(kReadSize);
};

Input::Input(const os::File& file, uint64_t end) : file_(file), end_(end) {}
Input::~Input() = default;

Result<std::unique_ptr<Input>> Input::open(const os::File& file, uint64_t end) {
  std::unique_ptr<Input> input(new Input(file, end));
  uint8_t magic[2] = {};
  KHIPU_TRY_ASSIGN(const size_t size, file.read_at(0, magic));
  if (size == 2 && magic[0] == 0x1F && magic[1] == 0x8B) {
    input->inflate_ = std::make_unique<Inflate>();
    if (!input->inflate_->ready) return Error{Code::kIo, "zlib could not start"};
  }
  return input;
}

Result<size_t> Input::read(std::span<uint8_t> into) {
  KHIPU_TRY_ASSIGN(const size_t size,
                   file_.read_at(file_offset_, into.first(std::min<uint64_t>(into.size(), end_ - file_offset_))));
  file_offset_ += size;
  return size;
}

Result<bool> Input::more() {
  if (begin_ > 0) {
    hash_consumed();
    hashed_ = 0;
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(begin_));
    begin_ = 0;
  }
  const size_t old = buffer_.size();
  // Doubling keeps the copying of a long record's bytes linear.
  const size_t step = std::max(kReadSize, old);
  buffer_.resize(old + step);
  const std::span<uint8_t> into = std::span<uint8_t>(buffer_).subspan(old);
  size_t size = 0;
  if (inflate_ == nullptr) {
    auto got = read(into);
    buffer_.resize(old + (got.ok() ? *got : 0));
    if (!got.ok()) return std::move(got).error();
    return *got > 0;
  }
  auto result = more_unpacked(into, size);
  buffer_.resize(old + size);
  return result;
}

Result<bool> Input::more_unpacked(std::span<uint8_t> into, size_t& size) {
  z_stream& stream = inflate_->stream;
  while (size == 0 && !inflate_->ended) {
    if (stream.avail_in == 0) {
      KHIPU_TRY_ASSIGN(const size_t got, read(inflate_->packed));
      stream.next_in = inflate_->packed.data();
      stream.avail_in = static_cast<uInt>(got);
      if (got == 0) {
        inflate_->ended = true;
        if (!inflate_->between) damage_ = "the gzip stream ends early";
        break;
      }
    }
    inflate_->between = false;
    stream.next_out = into.data();
    stream.avail_out = static_cast<uInt>(into.size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    size = into.size() - stream.avail_out;
    if (code == Z_STREAM_END) {
      inflate_->between = true;
      inflateReset(&stream);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      inflate_->ended = true;
      damage_ =
          "the gzip stream is damaged near byte " + std::to_string(file_offset_ - stream.avail_in) + " of the file";
    }
  }
  return size > 0;
}

void Input::consume(size_t size) {
  const uint8_t* at = window().data();
  const uint8_t* const end = at + size;
  while (at != end && (at = static_cast<const uint8_t*>(std::memchr(at, '\n', static_cast<size_t>(end - at))))) {
    ++line_;
    ++at;
  }
  offset_ += size;
  begin_ += size;
}

void Input::hash_consumed() {
  hash_.update(Bytes(buffer_).subspan(hashed_, begin_ - hashed_));
  hashed_ = begin_;
}

Hash Input::prefix_hash() {
  hash_consumed();
  return hash_.so_far();
}

}  // namespace khipu::import
