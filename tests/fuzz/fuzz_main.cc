// Runs a fuzz entry without libFuzzer, where there is no clang: `PROGRAM [-runs=N] [-seed=N] [-prefix=HEX] FILE…` feeds
// each file (behind the prefix), then N mutations of them (bytes changed, inserted, removed, pieces spliced). The same
// arguments do the same. A crash leaves its input in crash-input.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

std::string current;  // for the handler, which may only look

void SaveAndDie(int signal) {
  const int file = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && write(file, current.data(), current.size()) >= 0) close(file);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string Mutated(const std::vector<std::string>& seeds, std::mt19937_64& random) {
  std::string input = seeds[random() % seeds.size()];
  for (uint64_t left = 1 + random() % 6; left > 0 && !input.empty(); --left) {
    const size_t at = random() % input.size();
    switch (random() % 6) {
      case 0:
        input[at] = static_cast<char>(random());
        break;
      case 1:
        input[at] = "\x00\x01\x7f\x80\xff(),'`"[random() % 10];
        break;
      case 2:
        input[at] = static_cast<char>(input[at] ^ (1 << (random() % 8)));
        break;
      case 3:
        input.insert(at, 1 + random() % 8, static_cast<char>(random()));
        break;
      case 4:
        input.erase(at, 1 + random() % 16);
        break;
      default: {
        const std::string& other = seeds[random() % seeds.size()];
        if (!other.empty()) input.insert(at, other.substr(random() % other.size(), random() % 64));
      }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 0, seed = 1;
  std::string prefix;
  std::vector<std::string> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("-runs=")) {
      runs = std::strtoull(argument.c_str() + 6, nullptr, 10);
    } else if (argument.starts_with("-seed=")) {
      seed = std::strtoull(argument.c_str() + 6, nullptr, 10);
    } else if (argument.starts_with("-prefix=")) {
      for (size_t at = 8; at + 1 < argument.size(); at += 2) {
        prefix.push_back(static_cast<char>(std::stoi(argument.substr(at, 2), nullptr, 16)));
      }
    } else {
      std::ifstream in(argument, std::ios::binary);
      if (!in) {
        std::cerr << argument << " cannot be read\n";
        return 2;
      }
      std::stringstream text;
      text << prefix;
      text << in.rdbuf();
      seeds.push_back(text.str());
    }
  }
  for (int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, SaveAndDie);
  if (seeds.empty()) seeds.emplace_back("x");
  std::mt19937_64 random(seed);
  const auto run = [](std::string input) {
    current = std::move(input);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current.data()), current.size());
  };
  for (const std::string& input : seeds) run(input);
  for (uint64_t i = 0; i < runs; ++i) run(Mutated(seeds, random));
  std::cerr << seeds.size() + runs << " inputs\n";
  return 0;
}
