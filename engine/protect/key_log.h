// What meta/ says of ROOT/keys: fed the KEY and SHRED statements in their order, it knows which files must be there,
// with which hash and commitment, which were shredded, and who may read from now on. No I/O, no secrets.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/codec/statement.h"
#include "engine/protect/wrapped_key.h"

namespace khipu::protect {

// The version of the token root in a kTokenDay statement's name, "tokens/2"; 0 when there is none.
uint32_t token_version_of(const codec::KeyStatement& statement);

class KeyLog {
 public:
  enum class State : uint8_t {
    kCurrent,   // must be there
    kReplaced,  // by a later generation: may still be there
    kShredded   // must go: may still be there, until the writer starts next
  };
  struct File {
    WrappedName name;
    Hash commitment{};
    Hash sha256{};
    Hash recipients{};
    State state = State::kCurrent;
  };

  // What statements changed, for take_back().
  struct Changes {
    std::vector<std::pair<std::string, std::optional<File>>> files;  // as they were; nullopt: not there
    std::vector<std::pair<uint32_t, std::optional<std::string>>> newest;
    std::vector<std::pair<std::string, std::optional<crypto::BoxPublicKey>>> recipients;
    std::vector<uint32_t> last_numbers;
    std::vector<std::pair<uint32_t, uint32_t>> token_days;  // and versions
  };

  // kCorrupt when the statement contradicts those before it: a number used twice, a file nobody named. Nothing is
  // changed then. Statements about verifiers, and all of other types, are none of its business and are accepted.
  Result<void> apply(const codec::Statement& statement, Changes* changes = nullptr);
  Result<void> apply(const codec::KeyStatement& statement, Changes* changes = nullptr);
  Result<void> apply(const codec::Shred& statement, Changes* changes = nullptr);
  // As it was before the statements that `changes` was filled by, the last ones applied.
  void take_back(const Changes& changes);

  const File* current(uint32_t number) const;  // nullptr: never committed; a shredded one is returned as such
  const File* file(std::string_view file_name) const;
  const std::map<std::string, File, std::less<>>& files() const { return files_; }  // by file name
  // The newest day under whose key tokens were made; 0 when no statement says one.
  uint32_t token_day() const { return token_day_; }
  uint32_t token_version() const { return token_version_; }  // the newest root by whose chain; 0 as above
  uint32_t last_number() const { return last_number_; }      // given by a statement
  // Names ("auditors/2") and keys of those whom new data keys are sealed to, by the statements.
  const std::map<std::string, crypto::BoxPublicKey, std::less<>>& recipients() const { return recipients_; }

 private:
  void put_file(const std::string& name, const File& file, Changes* changes);
  void set_state(const std::string& name, State state, Changes* changes);

  std::map<std::string, File, std::less<>> files_;
  std::map<uint32_t, std::string> newest_;  // number -> file of its last generation
  std::map<std::string, crypto::BoxPublicKey, std::less<>> recipients_;
  uint32_t last_number_ = 0;
  uint32_t token_day_ = 0, token_version_ = 0;
};

}  // namespace khipu::protect
