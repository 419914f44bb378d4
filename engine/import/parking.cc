#include "engine/import/parking.h"

#include "engine/codec/cbor.h"
#include "engine/crypto/hash.h"
#include "engine/import/canonical_text.h"
#include "engine/import/parked_entries.h"

namespace khipu::import {
namespace {
constexpr uint64_t kTailMax = 1 << 20;
}

std::string parked_place(const Parked& record, uint64_t size) {
  std::string line = R"({"schema":"khipu.dlq-import/v1","file":)";
  const auto text = [&](std::string_view value) {
    // A name that is no UTF-8 is shown, not kept: the bytes of the record are what must survive.
    append_json_string(line, codec::valid_utf8(as_bytes(value)) ? value : "(not UTF-8)");
  };
  text(record.file);
  line += ",\"format\":";
  text(record.format);
  line.append(",\"line\":").append(std::to_string(record.line));
  line.append(",\"offset\":").append(std::to_string(record.offset));
  line.append(",\"size\":").append(std::to_string(size)).append(",\"reason\":");
  text(record.reason);
  return line;
}

std::string parked_line(const Parked& record) {
  std::string line = parked_place(record, record.raw.size());
  if (codec::valid_utf8(record.raw)) {
    line += ",\"raw\":";
    append_json_string(line, as_text(record.raw));
  } else {
    line.append(",\"raw_base64\":\"").append(base64(record.raw)).append("\"");
  }
  return line + "}";
}

std::string sealed_line(std::string_view place, std::string_view key_id, Bytes sealed) {
  return std::string(place).append(",\"key\":\"").append(key_id).append("\",\"sealed\":\"") + base64(sealed) + "\"}";
}

std::string parked_key_line(std::string_view id, Bytes wrapped) {
  return std::string(R"({"schema":"khipu.dlq-key/v1","id":")").append(id).append("\",\"key\":\"") + base64(wrapped) +
         "\"}";
}

Result<void> DlqFile::open(std::string_view input_name) {
  const Hash hash = crypto::sha256(as_bytes(input_name));
  const std::string name = "import-" + hex(Bytes(hash).first(4)) + ".ndjson";
  if (file_ != nullptr && name == name_) return {};
  if (file_ != nullptr) KHIPU_TRY(sync());
  if (dlq_ == nullptr) {
    KHIPU_TRY(root_.make_directory("dlq"));
    KHIPU_TRY(root_.sync());
    KHIPU_TRY_ASSIGN(dlq_, root_.open_directory("dlq"));
  }
  KHIPU_TRY_ASSIGN(file_, dlq_->open_file(name, os::Mode::kCreate));
  name_ = name;
  created_ = true;
  key_written_ = false;
  known_.clear();
  // What is there already, line by line, in bounded memory; a torn last line (no newline) is cut off by the next write.
  KHIPU_TRY_ASSIGN(const uint64_t end, file_->size());
  KHIPU_TRY_ASSIGN(const ParkedLines lines, each_parked_line(*file_, UINT64_MAX, [this](std::string_view line) {
                     known_.insert(crypto::sha256(as_bytes(line)));
                   }));
  size_ = lines.whole_size;
  if (size_ < end) KHIPU_TRY(file_->truncate(size_));
  return {};
}

Result<void> DlqFile::park(const Parked& record) {
  if (auto result = open(record.file); !result.ok()) return std::move(result).error().at("dlq");
  if (!record.sealed) {
    const std::string line = parked_line(record);
    return known_.insert(crypto::sha256(as_bytes(line))).second ? write(line) : Result<void>();
  }
  if (sealer_ == nullptr) return Error{Code::kForbidden, "dlq: nobody is there to seal what may be protected"};
  KHIPU_TRY(at("dlq", sealer_->ready()));
  if (!std::exchange(key_written_, true)) {
    KHIPU_TRY(write(parked_key_line(sealer_->key_id(), sealer_->wrapped_key())));
  }
  const std::string place = parked_place(record, record.raw.size());
  KHIPU_TRY_ASSIGN(const Buffer sealed, at("dlq", sealer_->seal(crypto::sha256(as_bytes(place)), record.raw)));
  return write(sealed_line(place, sealer_->key_id(), sealed));
}

Result<void> DlqFile::write(std::string_view line) {
  tail_.append(line).append("\n");
  if (tail_.size() < kTailMax) return {};
  KHIPU_TRY(at("dlq/" + name_, file_->write_at(size_, as_bytes(tail_))));
  size_ += tail_.size();
  tail_.clear();
  return {};
}

Result<void> DlqFile::sync() {
  if (file_ == nullptr) return {};
  if (!tail_.empty()) {
    KHIPU_TRY(at("dlq/" + name_, file_->write_at(size_, as_bytes(tail_))));
    size_ += tail_.size();
    tail_.clear();
  }
  KHIPU_TRY(at("dlq/" + name_, file_->sync()));
  if (std::exchange(created_, false)) KHIPU_TRY(dlq_->sync());
  return {};
}

}  // namespace khipu::import
