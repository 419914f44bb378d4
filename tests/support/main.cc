// main() of every test program: tells tests where things are, then runs Catch2.
//
// KHIPU_SOURCE  the repository            KHIPU_BIN  the folder of the programs khipu and khipu-mcp
// KHIPU_SHARED  the contract documents and sample data, beside the repository; unset where there are none
// What the caller has set is left alone.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#define CATCH_CONFIG_ENABLE_BENCHMARKING
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace khipu::tests {

static bool skipped = false;

void report_skip(const std::string& why);
void report_skip(const std::string& why) {
  skipped = true;
  std::fprintf(stderr, "SKIPPED: %s\n", why.c_str());
}

}  // namespace khipu::tests

int main(int argc, char** argv) {
  setenv("KHIPU_SOURCE", KHIPU_SOURCE_DIR, 0);
  setenv("KHIPU_BIN", KHIPU_BIN_DIR, 0);
  const std::filesystem::path shared = std::filesystem::path(KHIPU_SOURCE_DIR).parent_path() / "shared";
  std::error_code ignored;
  if (std::filesystem::is_directory(shared, ignored)) setenv("KHIPU_SHARED", shared.c_str(), 0);
  Catch::Session session;
#if !__has_include(<catch2/catch_all.hpp>)
  session.configData().warnings = Catch::WarnAbout::NoTests;  // version 3 does so by itself
#endif
  const int failed = session.run(argc, argv);
  if (failed != 0) return 1;  // never their number: four failures would read as a skip
  return khipu::tests::skipped ? 4 : 0;
}
