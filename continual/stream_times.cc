// The CPU seconds that methods take on a stream, training and testing apart, on one thread; and the
// stream's images as files, for others to be measured on.
//
//   tools/bazel run //continual:stream_times -- --config rotated_full --seeds 0
//   tools/bazel run //continual:stream_times -- --config rotated_full --seeds 0 --out DIR
//
// Takes an experiment's --config, --set, --seeds and --data. Prints one JSON object a method and
// seed: method, seed, stream, train_cpu_s, test_cpu_s, and all that it measured. With --out it
// writes the first seed's stream into that folder instead: stream.json, and of each task
// train_<t>_images.npy, train_<t>_labels.npy and the same of test, tasks counted from 0.

#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/cpu_clock.h"
#include "common/base/file_io.h"
#include "common/base/json_text.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/data/fashion_mnist.h"
#include "common/data/npy_writer.h"
#include "common/experiment/command_line.h"
#include "common/experiment/configuration.h"
#include "common/experiment/surroundings.h"
#include "common/population/unit.h"
#include "continual/line.h"
#include "continual/streams/registry.h"

namespace perennial::continual {
namespace {

constexpr char kTestEvent[] = "after_task";

bool WasTest(const std::vector<population::Event>& events) {
  for (const population::Event& event : events) {
    if (event.values[0].first == kTestEvent) return true;
  }
  return false;
}

// The stream of a seed, as a text that tells it from others.
std::string StreamText(const ContinualConfig& config, uint64_t seed) {
  return absl::StrCat(config.stream().ShortDebugString(), " seed: ", seed);
}

absl::Status Time(population::Unit& unit, const std::string& stream) {
  double train = 0, test = 0;
  double before = base::ThreadCpuSeconds();
  while (!unit.finished()) {
    PERENNIAL_RETURN_IF_ERROR(unit.Advance(1));
    const double now = base::ThreadCpuSeconds();
    (WasTest(unit.TakeEvents()) ? test : train) += now - before;
    before = now;
  }
  base::JsonObject json;
  json.Add("method", unit.key().method).Add("seed", unit.key().replicate).Add("stream", stream);
  json.Add("train_cpu_s", train).Add("test_cpu_s", test);
  for (const population::Measurement& m : unit.Results().measurements) json.Add(m.metric, m.value);
  std::cout << json.Text() << std::endl;
  return absl::OkStatus();
}

absl::Status WriteImages(const ImageView& view, const std::string& prefix) {
  std::vector<int32_t> all(view.size());
  std::iota(all.begin(), all.end(), 0);
  const data::LabeledImages images = view.Select(all);
  PERENNIAL_RETURN_IF_ERROR(data::WriteNpy<uint8_t>(absl::StrCat(prefix, "_images.npy"),
                                                    {images.size(), images.height, images.width},
                                                    images.pixels));
  return data::WriteNpy<int32_t>(absl::StrCat(prefix, "_labels.npy"), {images.size()},
                                 images.labels);
}

absl::Status Export(const ContinualConfig& config, const std::string& data_folder, uint64_t seed,
                    const std::string& folder) {
  PERENNIAL_ASSIGN_OR_RETURN(const data::ImageSplits splits, data::LoadFashionMnist(data_folder));
  PERENNIAL_ASSIGN_OR_RETURN(const auto stream, MakeStream(config.stream(), splits, seed));
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(folder));
  for (int task = 0; task < stream->tasks(); ++task) {
    PERENNIAL_RETURN_IF_ERROR(
        WriteImages(stream->Train(task), base::JoinPath(folder, absl::StrCat("train_", task))));
    PERENNIAL_RETURN_IF_ERROR(
        WriteImages(stream->Test(task), base::JoinPath(folder, absl::StrCat("test_", task))));
  }
  base::JsonObject json;
  json.Add("name", stream->name()).Add("stream", StreamText(config, seed));
  json.Add("tasks", int64_t{stream->tasks()});
  json.Add("classes", int64_t{stream->classes()});
  json.Add("height", int64_t{splits.train.height}).Add("width", int64_t{splits.train.width});
  return base::WriteFileAtomically(base::JoinPath(folder, "stream.json"), json.Text() + "\n");
}

constexpr char kHelp[] =
    "CPU seconds of an experiment's methods on one thread, training and testing\n"
    "apart: one JSON object a method and seed.\n\n"
    "tools/bazel run //continual:stream_times -- [flags]\n\n"
    "  --config FILE, --set PATH=VALUE, --seeds A..B, --data DIR\n"
    "                      As //continual:experiment takes them; see its --help.\n"
    "  --out DIR           Writes the stream of the first seed there instead, as\n"
    "                      npy files.\n";

absl::Status Run(const std::vector<std::string>& arguments) {
  PERENNIAL_ASSIGN_OR_RETURN(const experiment::CommandLine command,
                             experiment::ParseCommandLine(arguments));
  if (command.help) {
    std::cout << kHelp;
    return absl::OkStatus();
  }
  const experiment::Surroundings surroundings = {
      .out = std::cout, .log = std::cerr, .working_folder = base::WorkingFolder()};
  const ContinualLine line;
  PERENNIAL_ASSIGN_OR_RETURN(const experiment::Configuration config,
                             experiment::LoadConfiguration(line, command, surroundings));
  const auto& message =
      *google::protobuf::DynamicCastToGenerated<ContinualConfig>(config.message.get());
  const std::vector<uint64_t> seeds = command.seeds.empty() ? line.default_seeds() : command.seeds;
  const std::string data =
      command.data.empty() ? "" : base::JoinPath(surroundings.working_folder, command.data);
  if (!command.out.empty()) {
    return Export(message, data, seeds[0],
                  base::JoinPath(surroundings.working_folder, command.out));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const auto experiment, line.Prepare(*config.message, data));
  for (const uint64_t seed : seeds) {
    PERENNIAL_ASSIGN_OR_RETURN(const auto units, experiment->Units(seed));
    for (const auto& unit : units) {
      PERENNIAL_RETURN_IF_ERROR(Time(*unit, StreamText(message, seed)));
      unit->Release();
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace perennial::continual

int main(int argc, char** argv) {
  const absl::Status status = perennial::continual::Run({argv + 1, argv + argc});
  if (status.ok()) return 0;
  std::cerr << "stream_times: " << status.message() << "\n";
  return 1;
}
