"""The metadata that every table belongs to, and the type of their ids."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes ids by itself only for INTEGER; PostgreSQL's tables outgrow 32 bits.
BigId = BigInteger().with_variant(Integer(), "sqlite")


def one_of(column: str, values: Iterable[str]) -> str:
    """The condition of a CHECK that a column has one of these values, or none.

    One comparison each, because SQLite builds the table of an `IN` anew for every row that a CHECK looks at: with five of
    them a quarter of what a job costs to insert.
    """
    return " or ".join(f"{column} = '{value}'" for value in values)
