"""What every stage needs: errors, stable files, fixed kernels."""
