/**
 * The backend {@code cuda}: {@link gradus.cuda.CudaBackend} launches the kernels of {@code src/main/cuda} (their contract is
 * KERNELS.md) through {@link gradus.cuda.Driver}, the calls of the NVIDIA driver that it needs, which {@link
 * gradus.cuda.JCudaBinding} makes. Each family of operations is one class that knows how its kernels are cut into blocks.
 */
package gradus.cuda;
