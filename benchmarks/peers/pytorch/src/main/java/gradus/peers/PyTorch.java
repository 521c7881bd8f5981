package gradus.peers;

import gradus.benchmarks.peers.Case;
import gradus.benchmarks.peers.Peer;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Adam;
import org.bytedeco.pytorch.AdamOptions;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * PyTorch's libtorch, eager, in NHWC (channels last), its fastest layout here, unless told otherwise. For inference batch norm is folded, as its
 * users do: convolutions carry the bias and nothing else is left of it.
 */
public final class PyTorch implements Peer {
    private static final boolean NCHW = "nchw".equals(System.getProperty(Peer.LAYOUT));
    private static final torch.MemoryFormat LAYOUT =
            NCHW ? torch.MemoryFormat.Contiguous : torch.MemoryFormat.ChannelsLast;

    private final TensorVector parameters = new TensorVector();
    private boolean train;

    /** While it lives, nothing is recorded for derivatives. */
    private InferenceMode mode;

    /** A convolution and, in training, its batch norm: scale, shift, moving mean and variance. */
    private record Conv(Tensor kernel, Tensor bias, Tensor[] norm, long stride, long padding) {}

    private record Bottleneck(Conv first, Conv second, Conv third, Conv shortcut) {}

    private Conv stem;
    private final List<Bottleneck> blocks = new ArrayList<>();
    private Tensor dense;
    private Tensor denseBias;

    private PyTorch() {}

    public static void main(String[] args) throws Exception {
        Peer.main(new PyTorch(), args);
    }

    @Override
    public String version() {
        return "2.10.0 (bytedeco 1.5.13), eager, " + (NCHW ? "NCHW" : "NHWC") + (train ? "" : ", batch norm folded");
    }

    @Override
    public Runnable prepare(Case c, int threads) {
        torch.set_num_threads(threads);
        torch.manual_seed(1);
        train = c.train();
        mode = train ? null : new InferenceMode(true);
        stem = conv(3, 64, 7, 2);
        for (Case.Block b : Case.blocks()) {
            blocks.add(new Bottleneck(
                    conv(b.in(), b.middle(), 1, b.stride()),
                    conv(b.middle(), b.middle(), 3, 1),
                    conv(b.middle(), b.out(), 1, 1),
                    b.projection() ? conv(b.in(), b.out(), 1, b.stride()) : null));
        }
        dense = parameter(torch.randn(c.classes(), 2048).mul_(new Scalar(0.02f)));
        denseBias = parameter(torch.zeros(c.classes()));
        Tensor x = torch.randn(c.batch(), 3, c.side(), c.side()).contiguous(LAYOUT);
        return train ? training(c, x) : inference(c, x);
    }

    @SuppressWarnings("try") // the scope is there for its end: it frees what was made since
    private Runnable inference(Case c, Tensor x) {
        return () -> {
            try (var scope = new PointerScope()) {
                float top = torch.softmax(logits(c, x), 1).max().item_float();
                if (!(top > 0 && top <= 1)) {
                    throw new IllegalStateException("softmax gave " + top);
                }
            }
        };
    }

    @SuppressWarnings("try")
    private Runnable training(Case c, Tensor x) {
        Tensor labels = torch.randint(c.classes(), new long[] {c.batch()}).to(torch.ScalarType.Long);
        var adam = new Adam(parameters, new AdamOptions(1e-3));
        return () -> {
            try (var scope = new PointerScope()) {
                adam.zero_grad();
                Tensor loss = torch.cross_entropy_loss(logits(c, x), labels);
                loss.backward();
                adam.step();
                if (!Float.isFinite(loss.item_float())) {
                    throw new IllegalStateException("the loss is not finite");
                }
            }
        };
    }

    private Tensor parameter(Tensor t) {
        if (train) {
            t.set_requires_grad(true);
            parameters.push_back(t);
        }
        return t;
    }

    private Conv conv(int in, int out, int kernel, int stride) {
        var scale = new Scalar((float) Math.sqrt(2.0 / (in * kernel * kernel)));
        Tensor w = parameter(torch.randn(out, in, kernel, kernel).mul_(scale).contiguous(LAYOUT));
        if (!train) {
            return new Conv(w, torch.zeros(out), null, stride, kernel / 2);
        }
        Tensor[] norm = {parameter(torch.ones(out)), parameter(torch.zeros(out)), torch.zeros(out), torch.ones(out)};
        return new Conv(w, null, norm, stride, kernel / 2);
    }

    private Tensor logits(Case c, Tensor x) {
        Tensor y = apply(stem, x).relu_();
        long[] pad = {c.poolPadding(), c.poolPadding()};
        y = torch.max_pool2d(y, new long[] {3, 3}, new long[] {2, 2}, pad, new long[] {1, 1}, false);
        for (Bottleneck b : blocks) {
            Tensor z = apply(b.first, y).relu_();
            z = apply(b.second, z).relu_();
            z = apply(b.third, z);
            y = z.add_(b.shortcut == null ? y : apply(b.shortcut, y)).relu_();
        }
        long[] all = {c.lastSide(), c.lastSide()};
        y = torch.avg_pool2d(y, all, all, new long[] {0, 0}, false, true, new LongOptional());
        return torch.linear(y.flatten(1, -1), dense, denseBias);
    }

    private Tensor apply(Conv c, Tensor x) {
        long[] stride = {c.stride, c.stride};
        long[] padding = {c.padding, c.padding};
        var bias = c.bias == null ? new TensorOptional() : new TensorOptional(c.bias);
        Tensor y = torch.conv2d(x, c.kernel, bias, stride, padding, new long[] {1, 1}, 1);
        if (c.norm == null) {
            return y;
        }
        return torch.batch_norm(
                y,
                new TensorOptional(c.norm[0]),
                new TensorOptional(c.norm[1]),
                new TensorOptional(c.norm[2]),
                new TensorOptional(c.norm[3]),
                true,
                0.1,
                1e-5,
                true);
    }
}
