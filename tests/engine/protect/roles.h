// The keys of all roles on a fake disk, as `khipu keys init` makes them, and who uses them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/protect/key_admin.h"
#include "tests/engine/protect/world.h"

namespace khipu::protect {

struct Roles {
  tests::FakeDisk disk;
  std::unique_ptr<os::Directory> writer = disk.directory("w"), search = disk.directory("s"),
                                 decrypt = disk.directory("d");
  std::unique_ptr<os::Directory> wrapped = disk.directory("root-keys");
  RootId root{};
  RoleDirectories directories() const { return {writer.get(), search.get(), decrypt.get()}; }
  Result<void> make() { return make_rings(directories(), "log.example", {"auditors", "regulator"}, kNoonUs); }
  std::unique_ptr<Sealer> sealer(const KeyLog& log = {}) {
    return Sealer::open(load_writer_ring(*writer).value(), log, {root, writer.get(), wrapped.get()}, kNoonUs).value();
  }
  std::unique_ptr<Opener> opener(const KeyLog& log) {
    auto opener = Opener::open(load_decrypt_ring(*decrypt).value(), root, disk.directory("root-keys")).value();
    opener->learn(std::make_shared<const KeyLog>(log));
    return opener;
  }
  FieldPlace place() const {
    FieldPlace place;
    place.root = root;
    place.name = {"user", "email"};
    place.entity_id = "u-1";
    return place;
  }
};

inline std::vector<std::string> names(const RewrapList& list) {
  std::vector<std::string> names;
  for (const auto& [name, sha256] : list.files) names.push_back(name);
  return names;
}

}  // namespace khipu::protect
