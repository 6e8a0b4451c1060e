"""The rooms of `experiments.benchmark`: who takes part, the processes they run in, rounds, and the table.

Modules that run in the peers' environment (child, tensors, torch_*, onnx_network, openvino_network, input_torch) import
the standard library, numpy and their own package only, and each other by relative imports: there this package is
loaded without `experiments` around it, which would bring raspine and TensorFlow.
"""
