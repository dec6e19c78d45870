#!/usr/bin/env bash
# Makes the environment in which nnunetv2 tells whether we are right.
#
#   scripts/oracle_environment.sh ENVIRONMENT ORACLE_ENVIRONMENT
#
# It lies on top of ENVIRONMENT, whose torch it uses, so that gigabytes are not installed
# twice and both run the very same torch. Nothing is written into ENVIRONMENT. nnunetv2
# and dynamic-network-architectures come without their dependencies: those pull in
# torchvision, timm and with them another torch.
set -euo pipefail

base=$1
oracle=$2
rm -rf "$oracle"
"$base/bin/python" -m venv --without-pip "$oracle"
packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
printf '%s\n%s\n' "$PWD" "$(packages "$base")" > "$(packages "$oracle")/base.pth"

pip=("$base/bin/python" -m pip --python "$oracle/bin/python" install -q -c constraints.txt)
"${pip[@]}" acvl-utils batchgeneratorsv2 tqdm scipy scikit-learn scikit-image \
    SimpleITK pandas graphviz tifffile requests nibabel matplotlib seaborn imagecodecs \
    yacs einops blosc2
"${pip[@]}" --no-deps nnunetv2 dynamic-network-architectures
"$oracle/bin/python" -c "import nnunetv2, torch, napari_mednext"
