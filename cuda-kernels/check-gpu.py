"""Part of check-gpu.sh: times PyTorch on the cases that gradus was timed on, and writes the report.

check-gpu.py measure SECONDS MATRIX SMALL    a line of key=value for every case
check-gpu.py report FOLDER REVISION          Markdown, from what check-gpu.sh left in FOLDER
"""

import datetime
import os
import platform
import re
import sys
import time

# Dense peaks by the makers' data sheets: 10^12 operations a second in float32, tf32, bf16; 10^12 bytes a second.
PEAKS = {
    "H200": (66.9, 494.7, 989.4, 4.8),
    "H100 PCIe": (51.2, 378, 756, 2.0),
    "H100": (66.9, 494.7, 989.4, 3.35),
    "A100": (19.5, 156, 312, 2.0),
    "L40S": (91.6, 183, 362, 0.864),
    "RTX 4090": (82.6, 82.6, 165.2, 1.008),
}


def resnet50(torch):
    """ResNet-50 of 2015, 1000 classes: the network of gradus' resnet50-224 (strides in the first 1 x 1 convolution)."""
    nn = torch.nn

    def conv(c, f, k, stride=1):
        return nn.Sequential(nn.Conv2d(c, f, k, stride, k // 2), nn.BatchNorm2d(f))

    class Block(nn.Module):
        def __init__(self, c, f, stride):
            super().__init__()
            self.main = nn.Sequential(
                conv(c, f, 1, stride), nn.ReLU(True), conv(f, f, 3), nn.ReLU(True), conv(f, 4 * f, 1)
            )
            self.shortcut = nn.Identity() if c == 4 * f else conv(c, 4 * f, 1, stride)

        def forward(self, x):
            return nn.functional.relu(self.main(x) + self.shortcut(x), True)

    layers = [conv(3, 64, 7, 2), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
    c = 64
    for f, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(blocks):
            layers.append(Block(c, f, stride if i == 0 else 1))
            c = 4 * f
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 1000))


def timed(torch, step, seconds):
    """Median of milliseconds, as gradus bench takes it: the host waits after every step."""
    begin = time.perf_counter()
    runs = 0
    while runs < 5 or time.perf_counter() - begin < seconds / 2:
        step()
        torch.cuda.synchronize()
        runs += 1
    times = []
    begin = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return times[len(times) // 2]


def graphed(torch, step):
    """The step as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def measure(seconds, matrix, small):
    import torch

    if not torch.cuda.is_available():
        print("# PyTorch " + torch.__version__ + " finds no GPU")
        return
    print(f"# version={torch.__version__} cuda={torch.version.cuda} cudnn={torch.backends.cudnn.version()}")
    torch.backends.cudnn.benchmark = True
    side, large = (64, 1) if small else (224, 128)
    for precision in ("float32", "tf32", "bf16"):
        torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
        torch.backends.cudnn.allow_tf32 = precision != "float32"

        # Autocast rounds the weights in every step, as training must; for inference they are rounded once.
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32

        def line(case, step, suffix=""):
            try:
                print(f"case={case} precision={precision} way={suffix or 'eager'} p50_ms={timed(torch, step(), seconds):.3f}", flush=True)
            except Exception as e:  # one case that fails must not end the others
                print(f"# failed: {case} {precision} {suffix}: {type(e).__name__} {str(e).splitlines()[0] if str(e) else ''}", flush=True)

        def inference(batch):
            net = resnet50(torch).cuda().to(dtype).to(memory_format=torch.channels_last).eval()
            x = torch.rand(batch, 3, side, side, device="cuda").to(dtype).to(memory_format=torch.channels_last)

            def step():
                with torch.inference_mode():
                    torch.softmax(net(x), 1)

            return step

        def training():
            net = resnet50(torch).cuda().to(memory_format=torch.channels_last).train()
            x = torch.rand(large, 3, side, side, device="cuda").to(memory_format=torch.channels_last)
            y = torch.arange(large, device="cuda") % 6
            optimizer = torch.optim.Adam(net.parameters(), fused=True)

            def step():
                optimizer.zero_grad(set_to_none=True)
                with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16"):
                    loss = torch.nn.functional.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()

            return step

        def product():
            a = torch.rand(matrix, matrix, device="cuda").to(dtype)
            b = torch.rand(matrix, matrix, device="cuda").to(dtype)
            y = torch.empty_like(a)
            return lambda: torch.mm(a, b, out=y)

        line(f"infer{side}_b1", lambda: inference(1))
        line(f"infer{side}_b1", lambda: graphed(torch, inference(1)), "graph")
        if large > 1:
            line(f"infer{side}_b{large}", lambda: inference(large))
        line(f"train{side}_b{large}", training)
        line(f"matmul{matrix}", product)


def fields(line):
    return dict(re.findall(r"(\w+)=(\S+)", line))


def read(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def report(folder, revision):
    first = (read(folder, "device").splitlines() or ["no nvidia-smi"])[0]
    peaks = next((v for k, v in PEAKS.items() if all(w in first for w in k.split())), None)
    nvcc = read(folder, "nvcc").splitlines()
    ours = [fields(x) for x in read(folder, "measured").splitlines() if x.startswith("peer=")]
    torch_text = read(folder, "pytorch")
    theirs = {}
    for x in torch_text.splitlines():
        f = fields(x)
        if "p50_ms" in f:
            theirs[f["case"], f["precision"], f["way"]] = float(f["p50_ms"])
    notes = [x[2:] for x in torch_text.splitlines() + read(folder, "measured").splitlines() if x.startswith("# ")]

    print("# The CUDA backend on a device\n")
    print(f"Written by `cuda-kernels/check-gpu.sh run` on {datetime.date.today().isoformat()}, revision {revision}.\n")
    print(f"- device: {first}")
    print(f"- nvcc: {nvcc[-1] if nvcc else 'none'}; {platform.system()} {platform.release()}; processor: {cpu()}")
    for note in notes:
        print(f"- {note}")
    print("\n## Correctness\n\n| check | verdict | what it says | time |\n|---|---|---|---|")
    print(read(folder, "checks").strip())
    print("\n## Speed, beside PyTorch in the same run\n")
    print("Medians in milliseconds, inputs on the device, the host waits after every step. PyTorch: channels_last, cuDNN with")
    print("benchmark = True, fused Adam; in bf16 weights and pictures are bfloat16 for inference, and autocast trains. The ratio is")
    print("PyTorch's time by ours: above 1 we are faster. `graph`: as a CUDA graph, which gradus always uses. For inference gradus")
    print("folds batch norm into the convolutions' kernels; PyTorch's network is run as it is, batch norm by itself.\n")
    print("| case | precision | gradus ms | PyTorch eager ms | ratio | PyTorch graph ms | ratio |\n|---|---|---|---|---|---|---|")
    for x in ours:
        t = float(x["p50_ms"])
        cells = []
        for way in ("eager", "graph"):
            p = theirs.get((x["case"], x["precision"], way))
            cells += ["-", "-"] if p is None else [f"{p:.3f}", f"{p / max(t, 1e-9):.2f}"]
        print(f"| {x['case']} | {x['precision']} | {t:.3f} | {' | '.join(cells)} |")
    print("\n## Shares of the device's limits\n")
    print("Operations as if every multiplication were done, against the measured limit of float32 (multiply-adds from registers) and")
    print("the data sheet's dense peak of the precision.\n")
    print("| case | precision | GFLOP/s | measured float32 limit | % | data sheet | % |\n|---|---|---|---|---|---|---|")
    for x in ours:
        g = float(x["gflops"])
        limit = float(x["fma_peak"])
        own = f"{limit:.0f} | {100 * g / limit:.1f}" if limit == limit and limit > 0 else "- | -"
        sheet = "- | -"
        if peaks:
            peak = peaks[("float32", "tf32", "bf16").index(x["precision"])] * 1e3
            sheet = f"{peak:.0f} | {100 * g / peak:.1f}"
        print(f"| {x['case']} | {x['precision']} | {g:.0f} | {own} | {sheet} |")
    profile = read(folder, "profile").rstrip()
    if profile:
        print("\n## Where the time of a training step goes (bf16, batch 128, step by step without a graph)\n\n```")
        print(profile)
        print("```")


def cpu():
    for line in read("/proc", "cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        measure(float(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1")
    else:
        report(sys.argv[2], sys.argv[3])
