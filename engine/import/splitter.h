// Cuts an input into records, each as it stands there: JSON objects in the containers that real exports use, lines, CSV
// rows, journal export entries. What cannot be a record is damage: it keeps its place and bytes, and the rest goes on.
// A record's own grammar is the mapper's business: here braces are balanced, nothing more.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/import/input.h"
#include "engine/import/mapper.h"

namespace khipu::import {

// One record, or damage when `damage` says why. Borrowed until the next one is read.
struct Item {
  uint64_t offset = 0;  // in the unpacked input
  uint64_t end = 0;
  uint64_t line = 1;
  Bytes raw;
  std::string inner;  // see Record::inner
  std::string damage;
};

// Owner: one thread. Borrows the input.
class Splitter {
 public:
  Splitter(Input& input, const SourceOptions& options) : input_(input), options_(options) {}
  virtual ~Splitter() = default;
  // The next record or piece of damage; nullopt at the end, when every byte of the input is consumed that is
  // not held back.
  Result<std::optional<Item>> next();
  // What is worth saying although no record is concerned: "the input ends inside its array".
  const std::vector<std::string>& warnings() const { return warnings_; }
  // At the end: there are bytes behind the last record that wait for more (SourceOptions::last_line_waits).
  bool held_back() const { return held_back_; }

 protected:
  // Fills `item` with bytes at the front of the window and says how many it takes, or 0 at the end.
  virtual Result<size_t> cut(Item& item) = 0;
  // The byte at `at` of the window, reading on where needed; -1 at the end of the input.
  Result<int> byte(size_t at);
  Result<bool> has(size_t size);
  // The size of the line at the front of the window up to and without its newline; as much as there is when the input
  // or the record limit ends it.
  Result<size_t> line_size(size_t from = 0);
  bool too_long(size_t size) const { return size >= options_.record_size_bytes_max; }
  size_t damaged(Item& item, size_t size, std::string why) {
    item.damage = std::move(why);
    return size;
  }
  // Leaves the last `size` bytes of the input for the next import.
  size_t hold_back(const char* what, size_t size) {
    held_back_ = true;
    warnings_.push_back("the last " + std::string(what) + " has no end yet: its " + std::to_string(size) +
                        " bytes are left for the next import, or for one with --final");
    return 0;
  }
  std::string limit_text() const {
    return "longer than the limit of " + std::to_string(options_.record_size_bytes_max) + " bytes";
  }

  Input& input_;
  const SourceOptions options_;
  std::vector<std::string> warnings_;
  bool held_back_ = false;

 private:
  size_t pending_ = 0;  // of the item handed out last: consumed when the next one is asked for
};

// Looks at the beginning of the input and chooses.
Result<std::unique_ptr<Splitter>> make_splitter(Input& input, const SourceOptions& options);

std::unique_ptr<Splitter> make_json_splitter(Input& input, const SourceOptions& options, bool line_by_line);
std::unique_ptr<Splitter> make_line_splitter(Input& input, const SourceOptions& options);
std::unique_ptr<Splitter> make_csv_splitter(Input& input, const SourceOptions& options);
std::unique_ptr<Splitter> make_export_splitter(Input& input, const SourceOptions& options);

}  // namespace khipu::import
