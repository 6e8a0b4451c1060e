"""Which maps there are, and what they are called.

Grad-CAM and Grad-CAM++ read the last stage. LayerCAM reads the stage before: behind the last stage the gradient is the
same in all cells of a slice, so that there it would repeat Grad-CAM++. Saliency and SmoothGrad are gradients of the
logit on the pixels. The strided 1 x 1 convolutions of a ResNet v1 read every second row and column only: these three
stand on a lattice, whatever the weights, and `trust` tells how much of a map that is. Score-CAM of tf-keras-vis is left
out: it takes a softmax of the outputs, which of one logit is 1.
"""

METHODS = ("gradcam", "gradcam++", "layercam", "saliency", "smoothgrad")
GRADIENTS = ("saliency", "smoothgrad")
TITLES = {
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "layercam": "LayerCAM",
    "saliency": "Saliency",
    "smoothgrad": "SmoothGrad",
}
