// A log with the keys of its roles, and `khipu keys` run on it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/protect/key_admin.h"
#include "engine/protect/opener.h"
#include "engine/protect/sealer.h"
#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

namespace khipu::cli {

inline tests::Ran run_khipu(std::vector<std::string> words) {
  words.insert(words.begin(), tests::program("khipu"));
  return tests::run(words);
}

struct KeysLog {
  tests::TempDirectory folder;
  std::string root = folder / "log", keys = folder / "log.keys", out = folder / "readers";
  const protect::SubjectName alice{"user", "alice"};

  KeysLog() { REQUIRE(run_khipu({"init", root, "--origin", "example.org/keys"}).exit == 0); }
  tests::Ran make() { return run_khipu({"keys", "init", root, "--out", out}); }

  std::string decrypt = out + "/decrypt", list = folder / "rewrap.list";

  // The newest decrypt key of each name, as `keys rewrap --to` wants it; `names`: of these.
  std::vector<std::string> to() const {
    const tests::Ran checked = run_khipu({"keys", "check", decrypt, "--json"});
    REQUIRE(checked.exit == 0);
    std::map<std::string, std::pair<int, std::string>> newest;
    const nlohmann::json document = nlohmann::json::parse(checked.out);
    for (const nlohmann::json& key : document["keys"]) {
      auto& [version, text] = newest[key["name"].get<std::string>()];
      if (key["version"].get<int>() < version) continue;
      version = key["version"].get<int>();
      text = key["recipient"].get<std::string>();
    }
    std::vector<std::string> words;
    for (const auto& [name, one] : newest) words.insert(words.end(), {"--to", one.second});
    return words;
  }
  tests::Ran rewrap(const std::vector<std::string>& recipients, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"keys", "rewrap", root, "--decrypt", decrypt, "--list", list};
    words.insert(words.end(), recipients.begin(), recipients.end());
    words.insert(words.end(), more.begin(), more.end());
    return run_khipu(words);
  }
  tests::Ran adopt() const { return run_khipu({"keys", "adopt", root, list, "--json"}); }
  std::string file(const std::string& path) const {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void put(const std::string& path, const std::string& bytes) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  uint64_t statements(codec::StatementType type) const {
    const auto store = snapshot::Store::open(os::open_directory(root).value()).value();
    const auto snapshot = store->snapshot().value();
    uint64_t count = 0;
    for (const auto& statement : snapshot->meta().statements()) count += codec::type_of(statement.body) == type;
    return count;
  }

  protect::FieldPlace place(const RootId& id) const {
    protect::FieldPlace place;
    place.root = id;
    place.name = {"user", "email"};
    place.entity_id = "u-1";
    return place;
  }
  struct Known {
    RootId id{};
    protect::KeyLog log;
  };
  Known known() const {
    const auto store = snapshot::Store::open(os::open_directory(root).value()).value();
    const auto snapshot = store->snapshot().value();
    Known known;
    known.id = snapshot->meta().genesis()->root_id;
    for (const auto& statement : snapshot->meta().statements()) REQUIRE(known.log.apply(statement.body).ok());
    return known;
  }
  // Values as a writer would have them, their KEY statements committed.
  std::vector<Buffer> seal(const std::vector<std::string>& texts, const protect::SubjectName* subject = nullptr) {
    const Known now = known();
    const auto root_directory = os::open_directory(root).value(), keys_directory = os::open_directory(keys).value();
    const auto wrapped = root_directory->open_directory("keys").value();
    const auto sealer = protect::Sealer::open(protect::load_writer_ring(*keys_directory).value(), now.log,
                                              {now.id, keys_directory.get(), wrapped.get()}, os::system_clock().now())
                            .value();
    std::vector<Buffer> values;
    for (const std::string& text : texts) {
      REQUIRE(sealer->seal(place(now.id), as_bytes(text), subject, values.emplace_back()).ok());
    }
    const auto writer =
        writer::Writer::open({*root_directory, *keys_directory, os::system_clock(), os::system_random()}, {}).value();
    for (const auto& statement : sealer->take_due()) REQUIRE(writer->append_and_publish(statement).ok());
    REQUIRE(writer->close().ok());
    return values;
  }
  std::string open(Bytes value) const {
    const Known now = known();
    const auto role = os::open_directory(decrypt).value();
    const auto opener = protect::Opener::open(protect::load_decrypt_ring(*role).value(), now.id,
                                              os::open_directory(root + "/keys").value())
                            .value();
    opener->learn(std::make_shared<const protect::KeyLog>(now.log));
    const auto plaintext = opener->open(place(now.id), value);
    return plaintext.ok() ? std::string(plaintext->text()) : std::string(code_name(plaintext.error().code));
  }
};

inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace khipu::cli
