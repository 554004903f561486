# SPDX-License-Identifier: Apache-2.0
# Every recipe is what CI calls too.

.PHONY: oracle

# Replays recorded cases (CASES=DIR, default: the project's own) and compares with the kernel's
# answers; ANSWERS=DIR gets each case with the engine's answers.
oracle:
	@cargo run --release -q -p penstock-tests --bin oracle -- \
		$(if $(CASES),--cases "$(CASES)") $(if $(ANSWERS),--answers "$(ANSWERS)")
