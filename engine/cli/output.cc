#include "engine/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

namespace khipu::cli {

void Output::print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), out_); }

void Output::line(std::string_view text) {
  print(text);
  print("\n");
}

void Output::document(const nlohmann::ordered_json& document) {
  line(document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void Output::note(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), err_);
  std::fputc('\n', err_);
}

Result<void> Output::check() {
  if (std::fflush(out_) != 0 || std::ferror(out_) != 0) {
    return Error{Code::kIo, std::string("writing to stdout: ") + std::strerror(errno)};
  }
  return {};
}

namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t size = 0;  // 0: the first byte begins no valid sequence
};

CodePoint decode(std::string_view text) {
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(text[at]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t size = first >= 0xF0 && first <= 0xF4  ? 4
                      : first >= 0xE0 && first < 0xF0 ? 3
                      : first >= 0xC2 && first < 0xE0 ? 2
                                                      : 0;
  if (size == 0 || text.size() < size) return {};
  uint32_t value = first & (0xFFU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3FU);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {};
  return {value, size};
}

bool visible(uint32_t c) {
  if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD) return false;
  if ((c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F)) return false;
  if (c == 0x061C || c == 0x180E || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB)) return false;
  return !(c >= 0xE0000 && c <= 0xE0FFF);  // tags and variation selectors
}

int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  char buffer[16];
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const size_t size = c.size == 0 ? 1 : c.size;
    if (c.size == 0 || (c.value < 0x100 && !visible(c.value))) {
      std::snprintf(buffer, sizeof buffer, "\\x%02X", c.size == 0 ? static_cast<uint8_t>(text[0]) : c.value);
      out += buffer;
    } else if (!visible(c.value)) {
      std::snprintf(buffer, sizeof buffer, "\\u{%X}", c.value);
      out += buffer;
    } else if (c.value == '\\') {
      out += "\\\\";
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out;
}

std::string human_size(uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f %s", value, kUnits[unit]);
  return buffer;
}

Progress::Progress(std::string what, std::FILE* err)
    : what_(std::move(what)),
      err_(err),
      terminal_(isatty(fileno(err)) == 1),
      started_ms_(now_ms()),
      last_ms_(started_ms_) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", err_);
}

void Progress::update(uint64_t done, uint64_t total) {
  if (!terminal_) return;
  const int64_t now = now_ms();
  if (now - started_ms_ < 1000 || now - last_ms_ < 100) return;
  last_ms_ = now;
  drawn_ = true;
  if (total == 0) {
    std::fprintf(err_, "\r\033[K%s: %llu", what_.c_str(), static_cast<unsigned long long>(done));
  } else {
    const double share = done >= total ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
    constexpr int kWidth = 30;
    const int filled = static_cast<int>(share * kWidth);
    std::fprintf(err_, "\r\033[K%s [%.*s%*s] %3d%%", what_.c_str(), filled, "##############################",
                 kWidth - filled, "", static_cast<int>(share * 100));
  }
  std::fflush(err_);
}

}  // namespace khipu::cli
