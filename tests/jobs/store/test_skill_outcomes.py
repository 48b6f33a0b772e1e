from __future__ import annotations

from redis import Redis

from jobs.loop.skill_state import CountSkills, SkillOutcome
from jobs.store.skill_outcomes import KEPT_SECONDS, SkillStatistics, count_outcomes, list_skill_outcomes, record_skills

SHOP = "acme/shop"


def ended(outcome: SkillOutcome, *skills: str, at: float = 1.0) -> CountSkills:
    return CountSkills(repository=SHOP, skills=skills, ending=outcome, at=at)


def test_skill_outcomes_are_counted_for_each_skill_and_once_for_each_attempt(redis: Redis) -> None:
    record_skills(redis, "t1/1", ended("accepted", "a", "b"))
    record_skills(redis, "t1/1", ended("accepted", "a", "b"))
    record_skills(redis, "t2/1", ended("rejected", "a"))
    record_skills(redis, "t2/2", ended("escalated", "a"))

    assert count_outcomes(list_skill_outcomes(redis, "Acme/Shop")) == (
        SkillStatistics(skill="a", accepted=1, rejected=1, escalated=1),
        SkillStatistics(skill="b", accepted=1),
    )


def test_skill_outcomes_of_old_attempts_are_dropped(redis: Redis) -> None:
    record_skills(redis, "t1/1", ended("accepted", "a"))
    record_skills(redis, "t2/1", ended("rejected", "a", at=KEPT_SECONDS + 2))

    assert [one.ending for one in list_skill_outcomes(redis, SHOP)] == ["rejected"]
